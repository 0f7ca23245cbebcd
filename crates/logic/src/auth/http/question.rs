//! What is asked: made, and refused when it cannot be said in HTTP, before anything waits.

use halley_core::app::{HttpAuthForm, HttpAuthSettings};
use halley_core::command::ConnectRequest;
use halley_core::ids::AppId;
use sha2::{Digest, Sha256};

/// A question about one login.
pub(in crate::auth) struct Question {
    pub(super) url: String,
    pub(super) form: HttpAuthForm,
    pub(super) headers: Vec<(&'static str, Vec<u8>)>,
    pub(super) body: Option<&'static str>,
    /// Under which a yes is remembered: everything that is asked, and where.
    pub(super) name: [u8; 32],
}

impl Question {
    /// `None` when token or device have what no header carries.
    pub(in crate::auth) fn new(
        app: AppId,
        settings: &HttpAuthSettings,
        request: &ConnectRequest,
    ) -> Option<Self> {
        let mut headers: Vec<(&'static str, Vec<u8>)> = Vec::new();
        let mut body = None;
        match settings.form {
            HttpAuthForm::Zhaobi => headers.push(("Authorization", value(&request.token)?)),
            _ => {
                headers.push(("FZM-SIGNATURE", value(&request.token)?));
                if let Some(device) = &request.device {
                    headers.push(("FZM-UUID", value(device.key.uuid())?));
                    headers.push(("FZM-DEVICE", platform(device.platform).into_bytes()));
                    headers.push(("FZM-DEVICE-NAME", value(&device.name)?));
                    headers.push(("Content-type", b"application/json".to_vec()));
                    let again = request.details.is_reconnect;
                    body = Some(if again { r#"{"connType":1}"# } else { r#"{"connType":0}"# });
                }
            }
        }
        let mut name = Sha256::new().chain_update(app.0.to_be_bytes()).chain_update(&settings.url);
        for (header, value) in &headers {
            name.update([0]);
            name.update(header);
            name.update(value);
        }
        name.update([0]);
        name.update(body.unwrap_or_default());
        let name = name.finalize().into();
        Some(Self { url: settings.url.clone(), form: settings.form, headers, body, name })
    }
}

/// Text that a header can carry: no control characters; what is not ASCII goes as it is, as the original sends it.
fn value(text: &str) -> Option<Vec<u8>> {
    let is_carried = text.trim() == text && !text.bytes().any(|byte| byte.is_ascii_control());
    is_carried.then(|| text.as_bytes().to_vec())
}

/// The name of a device type (spec 2.6); a number without a name goes as itself.
fn platform(number: i32) -> String {
    let names = ["Android", "IOS", "Windows", "Linux", "MacOS", "Web"];
    let name = usize::try_from(number).ok().and_then(|number| names.get(number));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// Names for platforms in an answer: by name or number.
pub(super) fn platform_of(value: &serde_json::Value) -> Option<i32> {
    let by_name = |name: &str| (0..=5).find(|number| platform(*number) == name);
    match value {
        serde_json::Value::Number(number) => i32::try_from(number.as_i64()?).ok(),
        serde_json::Value::String(name) => by_name(name),
        _ => None,
    }
}
