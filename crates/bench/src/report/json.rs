//! The report for programs.

use std::path::Path;

use anyhow::Context;

use super::Report;

/// Writes the whole report.
pub(crate) fn write(report: &Report, path: &Path) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
