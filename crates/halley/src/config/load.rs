//! From file, environment and command line to a checked [`Config`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::{Table, Value};

use super::schema::Config;

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// The process's environment; only `HALLEY_` names count.
    pub environment: Vec<(String, String)>,
    /// `--set key=value`, in order.
    pub set: Vec<String>,
}

/// What is wrong, where, and what to do: exit code 78.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// The operating system's words.
        why: String,
    },
    /// The file is not TOML.
    #[error("configuration file {path} is not valid TOML: {why}")]
    NotToml {
        /// The file.
        path: String,
        /// The parser's words, with the line.
        why: String,
    },
    /// `--set` without `=`.
    #[error("--set {text}: write it as section.key=value")]
    BadSet {
        /// What was given.
        text: String,
    },
    /// A file that a key names cannot be used.
    #[error("{key}: {path} cannot be used: {why}")]
    BadFile {
        /// The key.
        key: String,
        /// The file.
        path: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// An unknown key or a value of the wrong form.
    #[error("{key} ({origin}): {why}")]
    BadKey {
        /// The key.
        key: String,
        /// Where it was set.
        origin: String,
        /// What is wrong.
        why: String,
    },
}

/// Reads, merges and checks.
///
/// # Errors
/// See [`ConfigError`]; the first problem found.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let mut merged = Merged::default();
    if let Some(path) = &sources.file {
        merged.file(path)?;
    }
    for (name, value) in &sources.environment {
        if let Some(key) = key_of_variable(name) {
            merged.put(&key, parse_value(&key, value), &format!("environment variable {name}"))?;
        }
    }
    for text in &sources.set {
        let (key, value) = text.split_once('=').ok_or_else(|| ConfigError::BadSet { text: text.clone() })?;
        merged.put(key.trim(), parse_value(key.trim(), value), "--set")?;
    }
    let Merged { table, origins } = merged;
    let origin = |key: &str| {
        let named = origins.iter().find(|(set, _)| key.starts_with(set.as_str()) || set.starts_with(key));
        named.map_or_else(|| "default".to_owned(), |(_, origin)| origin.clone())
    };
    let config: Config = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let (key, why) = describe(&error);
        ConfigError::BadKey { origin: origin(&key), key, why }
    })?;
    match config.check() {
        Ok(()) => Ok(config),
        Err((key, why)) => Err(ConfigError::BadKey { key: key.to_owned(), origin: origin(key), why }),
    }
}

#[derive(Default)]
struct Merged {
    table: Table,
    origins: BTreeMap<String, String>,
}

impl Merged {
    fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: shown.clone(), why: error.to_string() })?;
        self.table = text.parse().map_err(|error: toml::de::Error| ConfigError::NotToml {
            path: shown.clone(),
            why: error.to_string(),
        })?;
        for (section, value) in &self.table {
            match value {
                Value::Table(keys) => {
                    for key in keys.keys() {
                        self.origins.insert(format!("{section}.{key}"), shown.clone());
                    }
                }
                _ => {
                    self.origins.insert(section.clone(), shown.clone());
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, key: &str, value: Value, origin: &str) -> Result<(), ConfigError> {
        let bad = |why: &str| {
            let (key, origin, why) = (key.to_owned(), origin.to_owned(), why.to_owned());
            ConfigError::BadKey { key, origin, why }
        };
        let (section, name) = key.split_once('.').ok_or_else(|| bad("a key is section.key"))?;
        let entry = self.table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(keys) = entry else { return Err(bad("the section is not a table")) };
        keys.insert(name.to_owned(), value);
        self.origins.insert(key.to_owned(), origin.to_owned());
        Ok(())
    }
}

/// `HALLEY_LISTEN__TXCHAT_TCP` is `listen.txchat_tcp`; `HALLEY_ADMIN_TOKEN` is `admin.token`. Others are not ours.
fn key_of_variable(name: &str) -> Option<String> {
    if name == "HALLEY_ADMIN_TOKEN" {
        return Some("admin.token".to_owned());
    }
    let (section, key) = name.strip_prefix("HALLEY_")?.split_once("__")?;
    Some(format!("{}.{}", section.to_ascii_lowercase(), key.to_ascii_lowercase()))
}

/// Keys whose value is text, whatever it looks like.
const TEXT_KEYS: [&str; 6] =
    ["admin.token", "debug.failpoint", "grpc.token", "server.log", "tls.certificate", "tls.key"];

/// A number, truth value or array as TOML has it; anything else is text, with or without quotes.
fn parse_value(key: &str, text: &str) -> Value {
    if TEXT_KEYS.contains(&key) {
        return Value::String(text.to_owned());
    }
    let parsed = format!("value = {text}").parse::<Table>();
    match parsed.ok().and_then(|mut table| table.remove("value")) {
        Some(value @ (Value::Integer(_) | Value::Boolean(_) | Value::Array(_) | Value::String(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

fn describe(error: &serde_path_to_error::Error<toml::de::Error>) -> (String, String) {
    let why = error.inner().message().to_owned();
    let path = error.path().to_string();
    // The path of an unknown field ends at the field or at its table, by version of the parser.
    let unknown = why.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    match unknown {
        Some(field) if path == "." || path.is_empty() => (field.to_owned(), why.clone()),
        Some(field) if !path.ends_with(field) => (format!("{path}.{field}"), why.clone()),
        _ => (path, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Listen, Span};
    use std::time::Duration;

    fn set(lines: &[&str]) -> Result<Config, ConfigError> {
        load(&Sources { set: lines.iter().map(|line| (*line).to_owned()).collect(), ..Sources::default() })
    }

    #[test]
    fn nothing_configured_is_the_defaults() {
        assert_eq!(set(&[]), Ok(Config::default()));
    }

    #[test]
    fn the_later_source_wins() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), "[txchat]\nwindow = 7\nidle_timeout = \"2m\"\n").expect("written");
        let environment = vec![
            ("HALLEY_TXCHAT__WINDOW".to_owned(), "8".to_owned()),
            ("HALLEY_ADMIN_TOKEN".to_owned(), "12345678".to_owned()),
            ("HALLEY_SEED".to_owned(), "7".to_owned()),
        ];
        let set = vec![
            "txchat.window=9".to_owned(),
            "listen.txchat_tcp=127.0.0.1:0".to_owned(),
            "listen.admin=off".to_owned(),
        ];
        let config = load(&Sources { file: Some(file.path().to_owned()), environment, set }).expect("valid");
        assert_eq!(config.txchat.window, 9);
        assert_eq!(config.txchat.idle_timeout, Span(Duration::from_secs(120)));
        assert_eq!(config.admin.token.as_deref(), Some("12345678"));
        assert_eq!(config.listen.admin, Listen::Off);
        assert_eq!(config.listen.txchat_tcp.to_string(), "127.0.0.1:0");
    }

    #[test]
    fn an_error_names_the_key_and_where_it_was_set() {
        for (line, key) in [
            ("txchat.windows=9", "txchat.windows"),
            ("nonsense.x=1", "nonsense"),
            ("txchat.window=many", "txchat.window"),
            ("txchat.window=0", "txchat.window"),
            ("journal.fsync=sometimes", "journal.fsync"),
            ("txchat.idle_timeout=8", "txchat.idle_timeout"),
            ("listen.admin=here", "listen.admin"),
            ("listen.proxy_protocol=[\"10.0.0.0/33\"]", "listen.proxy_protocol[0]"),
        ] {
            let error = set(&[line]).expect_err(line);
            let ConfigError::BadKey { key: named, origin, .. } = &error else { panic!("{error}") };
            assert_eq!(named, key, "{error}");
            assert_eq!(origin, "--set", "{error}");
        }
        // What is missing was set nowhere.
        for (line, key) in
            [("listen.txchat_ws_tls=[::1]:3104", "tls.certificate"), ("tls.certificate=/a.pem", "tls.key")]
        {
            let error = set(&[line]).expect_err(line);
            assert!(matches!(&error, ConfigError::BadKey { key: named, .. } if named == key), "{error}");
        }
        let open = "listen.logic_grpc=0.0.0.0:3119";
        assert!(set(&[open]).expect_err("needs a token").to_string().contains("grpc.token"));
        assert!(set(&["listen.comet_grpc=[::]:0"]).is_err());
        assert!(set(&[open, "grpc.token=12345678"]).is_ok());
        assert!(set(&["listen.logic_grpc=[::1]:0"]).is_ok());
        assert!(set(&["grpc.token=1234567"]).is_err() && set(&["grpc.token=1234 5678"]).is_err());
        assert_eq!(set(&["window"]), Err(ConfigError::BadSet { text: "window".to_owned() }));
    }
}
