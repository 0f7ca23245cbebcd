//! From arguments to a verdict.

use std::io::Write;

use anyhow::ensure;

use crate::args::{BenchArgs, Scenario};
use crate::report::{json, table};
use crate::workloads::{group, idle, logins, peer};

/// Runs a scenario: progress on standard error, the table on standard output, the report where it was asked for.
///
/// # Errors
/// When the run could not take place (no server, no login, not enough descriptors, a report that cannot be written), and when a
/// message was missing, doubled, refused or out of order, however fast the rest was.
#[expect(clippy::needless_pass_by_value, reason = "the arguments end here")]
pub fn run(args: BenchArgs) -> anyhow::Result<()> {
    let (report, common) = match &args.scenario {
        Scenario::Peer(args) => (peer::run(args)?, &args.common),
        Scenario::Idle(args) => (idle::run(args)?, &args.common),
        Scenario::Group(args) => (group::run(args)?, &args.common),
        Scenario::Logins(args) => (logins::run(args)?, &args.common),
    };
    std::io::stdout().lock().write_all(table::render(&report).as_bytes())?;
    if let Some(path) = &common.json {
        json::write(&report, path)?;
    }
    ensure!(report.problems.is_empty(), "the check of every message failed: {}", report.problems.join("; "));
    Ok(())
}
