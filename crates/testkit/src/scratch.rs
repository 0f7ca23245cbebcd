//! Throw-away directories.

use std::path::Path;

/// A directory that goes with the test, unless the test fails with `HALLEY_KEEP` set.
#[derive(Debug)]
pub struct Scratch(Option<tempfile::TempDir>);

impl Scratch {
    /// A fresh, empty one.
    ///
    /// # Panics
    /// When the system's temporary directory cannot be written.
    #[must_use]
    pub fn new() -> Self {
        Self(Some(tempfile::Builder::new().prefix("halley-").tempdir().expect("a temporary directory")))
    }

    /// Where it is.
    ///
    /// # Panics
    /// Never: it is there until it is dropped.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.as_ref().expect("there until dropped").path()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking()
            && std::env::var_os("HALLEY_KEEP").is_some()
            && let Some(kept) = self.0.take()
        {
            let _path = kept.keep();
        }
    }
}
