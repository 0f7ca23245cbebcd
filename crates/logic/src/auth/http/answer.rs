//! What an app's server answers, and what it means.

use halley_core::app::HttpAuthForm;
use halley_core::event::Login;
use serde::Deserialize;
use serde_json::Value;

use super::question::platform_of;

/// The result for a reconnect that another phone's login forbids (spec 8.5).
const RECONNECT_NOT_ALLOWED: i64 = -1016;

/// What came of a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::auth) enum Answer {
    /// The token is this user's.
    Yes(String),
    /// It is nobody's.
    No,
    /// This other phone has logged in since.
    NewerDevice(Box<Login>),
    /// No answer in time, or none that can be understood.
    Unknown,
    /// Too many questions wait.
    Busy,
}

/// Of `{"result":0,"data":{"address":"..."}}`.
#[derive(Deserialize)]
struct Dtalk {
    result: i64,
    #[serde(default)]
    data: Value,
}

impl Answer {
    /// Reads the body of a 200 answer.
    pub(super) fn read(form: HttpAuthForm, body: &[u8]) -> Self {
        let read = match form {
            HttpAuthForm::Zhaobi => zhaobi(body),
            _ => dtalk(body),
        };
        read.unwrap_or(Self::Unknown)
    }
}

fn dtalk(body: &[u8]) -> Option<Answer> {
    let answer: Dtalk = serde_json::from_slice(body).ok()?;
    match answer.result {
        0 => Some(Answer::Yes(answer.data.get("address")?.as_str()?.to_owned())),
        RECONNECT_NOT_ALLOWED => {
            let device = answer.data.get("message")?;
            let text = |name| Some(device.get(name)?.as_str()?.to_owned());
            Some(Answer::NewerDevice(Box::new(Login {
                uuid: text("uuid")?,
                platform: platform_of(device.get("device")?)?,
                name: text("deviceName")?,
                time_ms: device.get("datetime")?.as_u64()?,
            })))
        }
        _ => Some(Answer::No),
    }
}

fn zhaobi(body: &[u8]) -> Option<Answer> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    if answer.as_object()?.contains_key("error") {
        return Some(Answer::No);
    }
    Some(Answer::Yes(answer.get("data")?.get("user_id")?.as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_yes_is_one() {
        let dtalk = |body: &str| Answer::read(HttpAuthForm::Dtalk, body.as_bytes());
        assert_eq!(dtalk(r#"{"result":0,"data":{"address":"a"}}"#), Answer::Yes("a".into()));
        assert_eq!(dtalk(r#"{"result":-1010,"data":{"address":"a"}}"#), Answer::No);
        for unknown in [
            "",
            "{}",
            "[0]",
            "null",
            r#"{"result":0}"#,
            r#"{"result":"0","data":{"address":"a"}}"#,
            r#"{"result":0,"data":{"address":7}}"#,
            r#"{"result":0,"data":{"address":"a"}"#,
            r#"{"result":0,"data":{"address":"a"}} {}"#,
            r#"{"result":-1016,"data":{"message":{"uuid":"u"}}}"#,
        ] {
            assert_eq!(dtalk(unknown), Answer::Unknown, "{unknown}");
        }
        let newer =
            r#"{"result":-1016,"data":{"message":{"uuid":"u","device":1,"deviceName":"n","datetime":9}}}"#;
        let login = Login { uuid: "u".into(), platform: 1, name: "n".into(), time_ms: 9 };
        assert_eq!(dtalk(newer), Answer::NewerDevice(Box::new(login.clone())));
        assert_eq!(dtalk(&newer.replace(":1,", ":\"IOS\",")), Answer::NewerDevice(Box::new(login)));

        let zhaobi = |body: &str| Answer::read(HttpAuthForm::Zhaobi, body.as_bytes());
        assert_eq!(zhaobi(r#"{"data":{"user_id":"a"}}"#), Answer::Yes("a".into()));
        assert_eq!(zhaobi(r#"{"data":{"user_id":"a"},"error":null}"#), Answer::No);
        assert_eq!(zhaobi(r#"{"data":{"user_id":7}}"#), Answer::Unknown);
        assert_eq!(zhaobi("7"), Answer::Unknown);
    }
}
