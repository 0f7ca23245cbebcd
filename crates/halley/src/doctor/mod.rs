//! `halley doctor`: looks at a data directory, its machine and its server, and says in plain words what it finds and what
//! to do. It changes nothing but a file of its own, which it removes.

mod data;
mod machine;
mod server;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::json;

use crate::admin_commands::AdminArgs;
use crate::config::Config;

/// Arguments of `halley doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The configuration that the server is started with; environment and defaults count too
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The server and its data directory
    #[command(flatten)]
    server: AdminArgs,
}

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Level {
    /// As it should be.
    Ok,
    /// It works, and could be better.
    Advice,
    /// Something must be done.
    Act,
}

/// What a check found.
#[derive(Clone, Debug)]
struct Finding {
    check: &'static str,
    level: Level,
    text: String,
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, check: &'static str, level: Level, text: impl Into<String>) {
        self.0.push(Finding { check, level, text: text.into() });
    }

    fn ok(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(check, Level::Ok, text);
    }

    fn advise(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(check, Level::Advice, text);
    }

    fn act(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(check, Level::Act, text);
    }
}

/// Checks and reports.
///
/// # Errors
/// When something must be done, or the report cannot be written.
pub fn run(args: &DoctorArgs, config: &Config) -> Result<()> {
    let mut findings = Findings::default();
    let data = &args.server.data;
    let use_of_it = data::check(data, &mut findings);
    machine::check(data, &mut findings);
    server::check(&args.server, config, use_of_it, &mut findings);
    let text = if args.server.json { as_json(&findings) } else { as_text(&findings) };
    std::io::stdout().lock().write_all(text.as_bytes()).context("write to standard output")?;
    let acts = findings.0.iter().filter(|finding| finding.level == Level::Act).count();
    if acts > 0 {
        bail!("{acts} of {} checks say that something must be done", findings.0.len());
    }
    Ok(())
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Advice => "advice",
        Level::Act => "act",
    }
}

fn as_text(findings: &Findings) -> String {
    use std::fmt::Write as _;
    findings.0.iter().fold(String::new(), |mut text, finding| {
        let _ = writeln!(text, "{:<7} {:<12} {}", word(finding.level), finding.check, finding.text);
        text
    })
}

fn as_json(findings: &Findings) -> String {
    let worst = findings.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    let checks: Vec<_> = findings
        .0
        .iter()
        .map(|finding| json!({ "check": finding.check, "level": word(finding.level), "text": finding.text }))
        .collect();
    format!("{:#}\n", json!({ "worst": word(worst), "checks": checks }))
}
