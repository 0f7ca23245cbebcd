//! Exit codes (interface: 0 ok, 1 failed, 2 usage, 78 configuration error).

use std::process::ExitCode;

/// Something was tried and failed.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The configuration is wrong.
pub const CONFIGURATION: u8 = 78;

/// How a command ended.
#[derive(Debug)]
pub enum Failure {
    /// Exit code 1, with the chain of causes.
    Failed(anyhow::Error),
    /// Exit code 78.
    Configuration(crate::config::ConfigError),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::Configuration(error)
    }
}

/// Says on stderr what went wrong, once, and gives the exit code.
#[must_use]
#[expect(clippy::print_stderr, reason = "the one place where a command says why it failed")]
pub fn report(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            eprintln!("halley: {error:#}");
            ExitCode::from(FAILED)
        }
        Err(Failure::Configuration(error)) => {
            eprintln!("halley: {error}");
            ExitCode::from(CONFIGURATION)
        }
    }
}
