//! Rust types for the protobufs of `halley-wire` and services for those of `halley-grpc`, made from `crates/*/proto/`
//! without a system `protoc`.
//!
//! The result is committed, so that an ordinary build needs neither this crate nor a compiler of protobufs; the test
//! below fails when it is stale. Owns no types itself and decides nothing about the wire: that is in the `.proto` files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use prost_build::Module;

/// A crate that has generated code, and the protobuf packages that have a place in it.
struct Generated {
    name: &'static str,
    packages: &'static [&'static str],
    /// Whether services get a server and a client.
    services: bool,
}

const GENERATED: &[Generated] = &[
    Generated { name: "wire", packages: &["halley.txchat"], services: false },
    Generated { name: "grpc", packages: &["im.comet", "im.logic"], services: true },
];

/// Writes every generated file that differs from what is on disk.
///
/// # Errors
/// When a `.proto` file does not compile or a file cannot be read or written.
pub(crate) fn run() -> Result<()> {
    for (path, text) in generate()? {
        if fs::read_to_string(&path).ok().as_ref() == Some(&text) {
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// The generated files by path, as they ought to be.
fn generate() -> Result<BTreeMap<PathBuf, String>> {
    let mut all = BTreeMap::new();
    for of in GENERATED {
        let of_crate = generate_crate(of).with_context(|| format!("generate for halley-{}", of.name))?;
        all.extend(of_crate);
    }
    Ok(all)
}

fn generate_crate(of: &Generated) -> Result<BTreeMap<PathBuf, String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of.name);
    let root = folder.join("proto");
    let files = protox::compile(sources(&root)?, [&root]).context("compile the proto files")?;
    let requests = files.file.into_iter().map(|file| {
        let module = Module::from_protobuf_package_name(file.package());
        (module, file)
    });
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    if of.services {
        // Who connects, and who listens, is not the generated code's affair.
        config.service_generator(tonic_prost_build::configure().build_transport(false).service_generator());
    }
    let generated = config.generate(requests.collect()).context("generate")?;
    let mut texts = BTreeMap::new();
    for package in of.packages {
        let text = generated.get(&Module::from_protobuf_package_name(package));
        let text = text.with_context(|| format!("package {package} is in no proto file"))?;
        texts.insert(folder.join("src/gen").join(format!("{package}.rs")), text.clone());
    }
    ensure!(texts.len() == generated.len(), "only {:?} have a place in halley-{}", of.packages, of.name);
    Ok(texts)
}

/// Every `.proto` file one folder below `root`, sorted, so that the result does not depend on the file system.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(root).with_context(|| format!("list {}", root.display()))? {
        for file in fs::read_dir(folder?.path()).context("list a proto folder")? {
            let path = file?.path();
            if path.extension().is_some_and(|ending| ending == "proto") {
                found.push(path.strip_prefix(root)?.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regenerates in memory and compares with the committed files. A failure means that a `.proto` file or the
    /// generator changed and `cargo run -p halley-xtask -- codegen` was not run.
    #[test]
    fn generated_code_is_what_the_proto_files_say() {
        for (path, text) in generate().unwrap() {
            let committed = fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == text, "{} is stale: cargo run -p halley-xtask -- codegen", path.display());
        }
    }
}
