//! The workspace on disk: crates, manifests, source files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The folder that holds the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders below the root").to_owned()
}

/// The crates, by folder name.
pub(crate) fn crate_names() -> BTreeSet<String> {
    let folders = std::fs::read_dir(root().join("crates")).expect("crates/ is there");
    let manifests = folders.filter_map(Result::ok).filter(|folder| folder.path().join("Cargo.toml").exists());
    manifests.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect()
}

/// A crate's manifest.
pub(crate) fn manifest(name: &str) -> toml::Table {
    let path = root().join("crates").join(name).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).expect("every crate has a manifest");
    text.parse().expect("cargo has read it before")
}

/// Every Rust file of the crates, with its text.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    collect(&root().join("crates"), &mut found);
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the workspace").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("Rust files are text");
            found.push((path, text));
        }
    }
}
