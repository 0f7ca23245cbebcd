//! `halley verify`: every byte of the journal, without changing one.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use halley_journal::real::DirFiles;
use halley_journal::{Report, verify};
use serde_json::json;

/// Arguments of `halley verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Data directory; its server must be stopped
    #[arg(long, value_name = "DIR", default_value = crate::data_dir::DEFAULT)]
    data: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Checks and reports; fails when something durable is damaged or missing.
///
/// # Errors
/// When the journal cannot be read, or is not sound.
pub fn run(args: &VerifyArgs) -> Result<()> {
    let path = args.data.join("journal");
    if !path.is_dir() {
        bail!("{} holds no journal; name the data directory with --data", args.data.display());
    }
    let files = DirFiles::open(&path).with_context(|| format!("open {}", path.display()))?;
    let shows_progress = std::io::stderr().is_terminal();
    let mut progress = |done: u64, all: u64| {
        if shows_progress {
            let _ = write!(std::io::stderr(), "\r{} of {} MiB", done >> 20, all >> 20);
        }
    };
    let report = verify(&files, &mut progress).context("read the journal")?;
    if shows_progress {
        let _ = writeln!(std::io::stderr());
    }
    let text = if args.json { as_json(&report) } else { as_text(&report) };
    std::io::stdout().lock().write_all(text.as_bytes()).context("write to standard output")?;
    if !report.is_sound() {
        bail!(
            "the journal is damaged; nothing is served across the damage. Restore the directory from a backup, or keep it \
             and ask for help: nothing was changed"
        );
    }
    Ok(())
}

fn as_text(report: &Report) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for segment in report.segments.iter().filter(|segment| !segment.is_blank) {
        let state = if segment.is_sealed { "sealed" } else { "open" };
        let _ = writeln!(
            text,
            "segment {:>6}  {state:<6}  records {:>9}  from {:>10}  {:>8} KiB",
            segment.segment,
            segment.records,
            segment.first_seq.get(),
            segment.bytes >> 10
        );
    }
    for damage in &report.damage {
        let _ = writeln!(text, "DAMAGED  {damage}");
    }
    for segment in &report.missing {
        let _ = writeln!(text, "MISSING  segment {segment}");
    }
    if let Some(torn) = &report.torn {
        let _ =
            writeln!(text, "torn tail of {} bytes at {}: the next start cuts it", torn.bytes, torn.position);
    }
    let records: u64 = report.segments.iter().map(|segment| segment.records).sum();
    let verdict = if report.is_sound() { "sound" } else { "DAMAGED" };
    let ended = if report.is_clean { "clean" } else { "by a crash" };
    let _ =
        writeln!(text, "{verdict}: {records} records, durable up to {}, last stop {ended}", report.durable);
    text
}

fn as_json(report: &Report) -> String {
    let segments = report.segments.iter().map(|segment| {
        json!({
            "segment": segment.segment,
            "bytes": segment.bytes,
            "records": segment.records,
            "first_seq": segment.first_seq.get(),
            "sealed": segment.is_sealed,
            "blank": segment.is_blank,
        })
    });
    let segments: Vec<_> = segments.collect();
    let damage: Vec<String> = report.damage.iter().map(ToString::to_string).collect();
    let torn = report.torn.map(|torn| json!({ "position": torn.position.to_string(), "bytes": torn.bytes }));
    let value = json!({
        "sound": report.is_sound(),
        "clean": report.is_clean,
        "segments": segments,
        "damage": damage,
        "missing": report.missing,
        "torn": torn,
        "durable": report.durable.to_string(),
        "next_seq": report.next_seq.get(),
    });
    format!("{value:#}\n")
}
