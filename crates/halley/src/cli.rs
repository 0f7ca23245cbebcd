//! The command line (interface.md): what there is to say, and who does it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, ConfigError, Sources};
use crate::exit::{Failure, report};
use crate::{admin_commands, backup, bench_setup, chat, data_dir, doctor, logging, serve, verify};

/// An instant-messaging server that does not lose messages.
#[derive(Debug, Parser)]
#[command(name = "halley", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Administer apps of a running server
    #[command(subcommand)]
    App(admin_commands::AppCommand),
    /// Administer access tokens of a running server
    #[command(subcommand)]
    Token(admin_commands::TokenCommand),
    /// Administer groups of a running server
    #[command(subcommand)]
    Group(admin_commands::GroupCommand),
    /// Chat in the terminal
    Chat(chat::ChatArgs),
    /// Generate load and measure
    Bench(halley_bench::BenchArgs),
    /// Check a configuration, or print what can be configured
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at a data directory, its machine and its server, and say what must be done
    Doctor(doctor::DoctorArgs),
    /// Back up a data directory, while its server runs or when it is stopped
    Backup(backup::BackupArgs),
    /// Make a data directory of a backup
    Restore(backup::RestoreArgs),
    /// Check every byte of a data directory's journal
    Verify(verify::VerifyArgs),
}

/// Arguments of `halley serve`.
#[derive(Debug, Args)]
struct ServeArgs {
    /// TOML file; `halley config reference` prints what can be in it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory
    #[arg(long, value_name = "DIR", default_value = data_dir::DEFAULT)]
    data: PathBuf,
    /// Roles of this process, comma-separated; this version runs all of them together
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    roles: Vec<Role>,
    /// One configuration key, over file and environment; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Role {
    Comet,
    Logic,
    Answer,
    Pusher,
    Store,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check a file together with the environment
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print every key with form, default and reason, as a valid file
    Reference,
}

/// Parses the command line, does what it says, gives the exit code.
#[must_use]
pub fn run() -> ExitCode {
    report(dispatch(Cli::parse()))
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(args) => run_server(args),
        Command::App(command) => Ok(admin_commands::run_app(&command)?),
        Command::Token(command) => Ok(admin_commands::run_token(&command)?),
        Command::Group(command) => Ok(admin_commands::run_group(&command)?),
        Command::Chat(args) => Ok(chat::run(args)?),
        Command::Bench(mut args) => {
            bench_setup::prepare(&mut args).map_err(anyhow::Error::from)?;
            Ok(halley_bench::run(args)?)
        }
        Command::Config(ConfigCommand::Check { file }) => {
            let config = load(Some(file), Vec::new())?;
            serve::Certificate::load(&config)?;
            print("configuration ok\n")
        }
        Command::Config(ConfigCommand::Reference) => print(&config::reference()),
        Command::Doctor(args) => {
            let config = load(args.config.clone(), Vec::new())?;
            Ok(doctor::run(&args, &config)?)
        }
        Command::Backup(args) => Ok(backup::run_backup(&args)?),
        Command::Restore(args) => Ok(backup::run_restore(&args)?),
        Command::Verify(args) => Ok(verify::run(&args)?),
    }
}

fn load(file: Option<PathBuf>, set: Vec<String>) -> Result<Config, ConfigError> {
    config::load(&Sources { file, environment: std::env::vars().collect(), set })
}

fn run_server(args: ServeArgs) -> Result<(), Failure> {
    let config = load(args.config, args.set)?;
    let all = [Role::Comet, Role::Logic, Role::Answer, Role::Pusher, Role::Store];
    if !args.roles.is_empty() && !all.iter().all(|role| args.roles.contains(role)) {
        let why = "this version runs all roles in one process; leave --roles out".to_owned();
        let (key, origin) = ("roles".to_owned(), "--roles".to_owned());
        return Err(ConfigError::BadKey { key, origin, why }.into());
    }
    logging::init(&config.server.log);
    // Before anything is opened: a file that cannot be used is a wrong configuration.
    let certificate = serve::Certificate::load(&config)?;
    Ok(serve::run(config, args.data, certificate)?)
}

fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(written.context("write to standard output")?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
