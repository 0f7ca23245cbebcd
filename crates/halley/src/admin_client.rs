//! A small blocking client of the admin API (interface.md): finds a local server, asks, and says in words what went wrong.
//!
//! Does not own: what is asked ([`crate::admin_commands`], [`crate::chat`]).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// Everything, body included, must have come within this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The answers of these calls are small, history pages included.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why the admin API gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The server left no address. Start it, or say where it is.
    #[error("no server found through {}: start `halley serve --data {}`, or give --admin URL and --admin-token T", path.display(), data.display())]
    NoServer {
        /// The file that was looked for.
        path: PathBuf,
        /// The data directory.
        data: PathBuf,
    },
    /// The listener is off.
    #[error("{} names no {listener}: that listener is turned off in the server's configuration", path.display())]
    ListenerOff {
        /// The file that was read.
        path: PathBuf,
        /// The listener.
        listener: &'static str,
    },
    /// A file of the data directory cannot be read or is not what it should be.
    #[error("cannot use {}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers. The server may have been stopped; nothing was changed unless it says so later.
    #[error("the admin API at {url} does not answer ({reason}): is the server running?")]
    Unreachable {
        /// What was called.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The token is not the server's.
    #[error(
        "the admin API at {url} refused the token: it is admin.token of the server's configuration, or the file admin.token of its data directory"
    )]
    Unauthorized {
        /// What was called.
        url: String,
    },
    /// The server says no, and why.
    #[error("{call}: {message} ({code})")]
    Refused {
        /// What was called.
        call: String,
        /// The machine-readable code.
        code: String,
        /// The reason for people.
        message: String,
        /// The HTTP status.
        status: u16,
    },
    /// What answers is not the admin API, or one of another version.
    #[error("{call}: the answer is not what the admin API gives ({reason})")]
    Unexpected {
        /// What was called.
        call: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The addresses that a local server chose (`<data>/listeners.json`).
#[derive(Clone, Debug)]
pub struct Listeners {
    path: PathBuf,
    names: Value,
}

impl Listeners {
    /// Reads them.
    ///
    /// # Errors
    /// [`AdminError`] when there is no server with that data directory.
    pub fn read(data: &Path) -> Result<Self, AdminError> {
        let path = data.join("listeners.json");
        let Ok(text) = fs::read_to_string(&path) else {
            return Err(AdminError::NoServer { path, data: data.to_owned() });
        };
        match serde_json::from_str(&text) {
            Ok(names) => Ok(Self { path, names }),
            Err(error) => Err(AdminError::BadFile { path, reason: error.to_string() }),
        }
    }

    /// The address of a listener, as it is reached from this machine.
    ///
    /// # Errors
    /// [`AdminError::ListenerOff`] when it has none.
    pub fn address(&self, listener: &'static str) -> Result<String, AdminError> {
        match self.names.get(listener).and_then(Value::as_str) {
            Some(address) => Ok(address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")),
            None => Err(AdminError::ListenerOff { path: self.path.clone(), listener }),
        }
    }
}

/// See the module.
pub struct AdminClient {
    agent: ureq::Agent,
    base: String,
    token: String,
}

impl AdminClient {
    /// Of the server that runs with this data directory, or of the one named; what is named wins.
    ///
    /// # Errors
    /// [`AdminError`] when address or token cannot be found.
    pub fn find(data: &Path, url: Option<&str>, token: Option<String>) -> Result<Self, AdminError> {
        let base = match url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", Listeners::read(data)?.address("admin")?),
        };
        let token = match token.or_else(|| std::env::var("HALLEY_ADMIN_TOKEN").ok()) {
            Some(token) => token,
            None => read_token(data)?,
        };
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(REQUEST_TIMEOUT))
            .http_status_as_error(false)
            .build();
        Ok(Self { agent: config.into(), base, token })
    }

    /// Makes the app or changes what `settings` names of it.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn put_app(&self, app: &str, settings: &Value) -> Result<Value, AdminError> {
        self.call("PUT", &format!("/v1/apps/{}", encoded(app)), Some(settings))
    }

    /// A new access token of a user.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn create_token(&self, app: &str, user: &str, ttl: Option<Duration>) -> Result<String, AdminError> {
        let mut body = json!({ "user_id": user });
        if let Some(ttl) = ttl {
            body["ttl_s"] = json!(ttl.as_secs());
        }
        let path = format!("/v1/apps/{}/tokens", encoded(app));
        let answer = self.call("POST", &path, Some(&body))?;
        match answer.get("token").and_then(Value::as_str) {
            Some(token) => Ok(token.to_owned()),
            None => Err(AdminError::Unexpected { call: path, reason: "no token in it".to_owned() }),
        }
    }

    /// A new group, as `group` describes it; the answer is the group.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn create_group(&self, app: &str, group: &Value) -> Result<Value, AdminError> {
        self.call("POST", &format!("/v1/apps/{}/groups", encoded(app)), Some(group))
    }

    /// More members of a group, as `members` names them.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn add_members(&self, app: &str, group: &str, members: &Value) -> Result<Value, AdminError> {
        let path = format!("/v1/apps/{}/groups/{}/members", encoded(app), encoded(group));
        self.call("POST", &path, Some(members))
    }

    /// Entries of a user's timeline with this query (`limit=20`, `after=KEY`, `before=KEY`).
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn user_timeline(&self, app: &str, user: &str, query: &str) -> Result<Value, AdminError> {
        self.call("GET", &format!("/v1/apps/{}/timelines/user/{}?{query}", encoded(app), encoded(user)), None)
    }

    /// Entries of a group's timeline, as [`AdminClient::user_timeline`].
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn group_timeline(&self, app: &str, group: &str, query: &str) -> Result<Value, AdminError> {
        self.call(
            "GET",
            &format!("/v1/apps/{}/timelines/group/{}?{query}", encoded(app), encoded(group)),
            None,
        )
    }

    /// Has the server begin a backup into this directory of its machine.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn begin_backup(&self, directory: &str) -> Result<(), AdminError> {
        self.call("POST", "/v1/backups", Some(&json!({ "directory": directory }))).map(|_| ())
    }

    /// How the server's newest backup stands.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn newest_backup(&self) -> Result<Value, AdminError> {
        self.call("GET", "/v1/backups", None)
    }

    /// All apps.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn apps(&self) -> Result<Value, AdminError> {
        self.call("GET", "/v1/apps", None)
    }

    /// Whether the server is ready, and why not.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn readiness(&self) -> Result<Value, AdminError> {
        let (call, (_, text)) = ("GET /readyz", self.ask("GET", "/readyz", None)?);
        let parsed = serde_json::from_str(&text);
        parsed.map_err(|error| AdminError::Unexpected { call: call.to_owned(), reason: error.to_string() })
    }

    /// All metrics, as text.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn metrics(&self) -> Result<String, AdminError> {
        self.ask("GET", "/metrics", None).map(|(_, text)| text)
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, AdminError> {
        let call = format!("{method} {path}");
        let unexpected = |reason: String| AdminError::Unexpected { call: call.clone(), reason };
        let (status, text) = self.ask(method, path, body)?;
        let parsed: Option<Value> =
            if text.is_empty() { Some(Value::Null) } else { serde_json::from_str(&text).ok() };
        match (status, parsed) {
            (200..300, Some(answer)) => Ok(answer),
            (_, Some(answer)) if answer.get("error").is_some() => {
                let part = |name: &str| answer["error"][name].as_str().unwrap_or_default().to_owned();
                Err(AdminError::Refused { call, code: part("code"), message: part("message"), status })
            }
            _ => Err(unexpected(format!("status {status}"))),
        }
    }

    /// One request: status and text of its answer, whatever it says.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, String), AdminError> {
        let url = format!("{}{path}", self.base);
        let call = format!("{method} {path}");
        let unreachable =
            |error: &ureq::Error| AdminError::Unreachable { url: url.clone(), reason: error.to_string() };
        let unexpected = |reason: String| AdminError::Unexpected { call: call.clone(), reason };
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(body.map(Value::to_string).unwrap_or_default())
            .map_err(|error| unexpected(format!("the address cannot be used: {error}")))?;
        let mut answer = self.agent.run(request).map_err(|error| unreachable(&error))?;
        let status = answer.status().as_u16();
        let limited = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let text = limited.read_to_string().map_err(|error| unreachable(&error))?;
        if status == 401 {
            return Err(AdminError::Unauthorized { url });
        }
        Ok((status, text))
    }
}

fn read_token(data: &Path) -> Result<String, AdminError> {
    let path = data.join("admin.token");
    match fs::read_to_string(&path) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) => {
            let reason =
                format!("{error}; give --admin-token T when the token is set in the server's configuration");
            Err(AdminError::BadFile { path, reason })
        }
    }
}

/// An id as a path segment.
fn encoded(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_one_path_segment() {
        assert_eq!(encoded("al/ice ü"), "al%2Fice%20%C3%BC");
        assert_eq!(encoded("a-b_c.1~"), "a-b_c.1~");
    }

    #[test]
    fn a_missing_server_is_told_with_what_to_do() {
        let error = Listeners::read(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.contains("halley serve --data /nonexistent") && error.contains("--admin"), "{error}");
    }
}
