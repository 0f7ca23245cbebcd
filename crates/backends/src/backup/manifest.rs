//! The manifest: what a whole backup consists of.

use serde_json::{Value, json};

use super::RestoreError;

/// Written by this build.
pub(super) const FORMAT_VERSION: u64 = 1;
/// Its name in a backup.
pub(super) const NAME: &str = "MANIFEST.json";

/// A file of a backup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackedUpFile {
    /// Its name below `data/`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// Version of Halley that made it.
    pub version: String,
    /// When it was begun, unix milliseconds.
    pub made_ms: u64,
    /// Every file.
    pub files: Vec<BackedUpFile>,
}

impl Manifest {
    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn encode(&self) -> String {
        let files: Vec<Value> = self
            .files
            .iter()
            .map(|file| json!({ "name": file.name, "bytes": file.bytes, "sha256": file.sha256 }))
            .collect();
        let value = json!({
            "halley_backup": FORMAT_VERSION,
            "version": self.version,
            "made_ms": self.made_ms,
            "files": files,
        });
        format!("{value:#}\n")
    }

    pub(super) fn decode(text: &str) -> Result<Self, RestoreError> {
        let bad = |what: &str| RestoreError::Manifest(what.to_owned());
        let value: Value =
            serde_json::from_str(text).map_err(|error| RestoreError::Manifest(error.to_string()))?;
        let format = value["halley_backup"].as_u64().ok_or_else(|| bad("it says no format"))?;
        if format > FORMAT_VERSION {
            return Err(RestoreError::Newer { found: format, supported: FORMAT_VERSION });
        }
        let text = |value: &Value, name: &str| {
            value[name].as_str().map(str::to_owned).ok_or_else(|| bad(&format!("it says no {name}")))
        };
        let mut files = Vec::new();
        for file in value["files"].as_array().ok_or_else(|| bad("it lists no files"))? {
            let name = text(file, "name")?;
            if !is_file_of_data(&name) {
                return Err(bad(&format!("it lists {name:?}, which is no file of a backup")));
            }
            let bytes = file["bytes"].as_u64().ok_or_else(|| bad("it says no length"))?;
            files.push(BackedUpFile { name, bytes, sha256: text(file, "sha256")? });
        }
        let made_ms = value["made_ms"].as_u64().ok_or_else(|| bad("it says no time"))?;
        Ok(Self { version: text(&value, "version")?, made_ms, files })
    }
}

/// Nothing is ever written outside the target, whatever a manifest says.
fn is_file_of_data(name: &str) -> bool {
    let is_segment = |name: &str| {
        name.strip_suffix(".segment")
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    name == "VERSION" || name == "state.redb" || name.strip_prefix("journal/").is_some_and(is_segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str) -> Manifest {
        let file = BackedUpFile { name: name.to_owned(), bytes: 7, sha256: "ab".to_owned() };
        Manifest { version: "1.2.3".to_owned(), made_ms: 5, files: vec![file] }
    }

    #[test]
    fn a_manifest_is_read_back_as_it_was_written() {
        let written = manifest("journal/0000000001.segment");
        assert_eq!(Manifest::decode(&written.encode()).expect("parses"), written);
    }

    #[test]
    fn a_manifest_that_names_other_files_or_comes_from_the_future_is_refused() {
        for name in ["../x", "/etc/passwd", "journal/../x.segment", "journal/.segment", "index/0.jnl", ""] {
            let refused = Manifest::decode(&manifest(name).encode());
            assert!(matches!(refused, Err(RestoreError::Manifest(_))), "{name}");
        }
        let newer = manifest("VERSION").encode().replace("\"halley_backup\": 1", "\"halley_backup\": 2");
        assert!(matches!(Manifest::decode(&newer), Err(RestoreError::Newer { found: 2, .. })));
        assert!(Manifest::decode("").is_err() && Manifest::decode("{}").is_err());
    }
}
