//! The log: one line an event on stderr, message readable alone, fields queryable. Never tokens or bodies.

use tracing::Level;

/// Logs from this level up to stderr. A second call has no effect (whole-server tests start several servers).
pub fn init(level: &str) {
    let level: Level = level.parse().unwrap_or(Level::INFO);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let format = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(ansi);
    let _already_set = format.try_init();
}
