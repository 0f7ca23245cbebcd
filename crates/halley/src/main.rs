//! The one binary: it parses the command line, reads the configuration and composes the roles.

use std::process::ExitCode;

fn main() -> ExitCode {
    halley::cli::run()
}
