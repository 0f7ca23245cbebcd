//! `halley app`, `halley token`, `halley group`: administration of a running server from the command line.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::admin_client::AdminClient;

/// How a running server is reached; for every administrative command.
#[derive(Args, Clone, Debug)]
pub struct AdminArgs {
    /// The admin API, http://host:port; found through the data directory when not given
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,
    /// Its bearer token; else HALLEY_ADMIN_TOKEN, else admin.token of the data directory
    #[arg(long, value_name = "TOKEN")]
    pub admin_token: Option<String>,
    /// The data directory of a local server
    #[arg(long, default_value = "./halley-data")]
    pub data: PathBuf,
    /// Print the server's answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl AdminArgs {
    /// The server that they name.
    ///
    /// # Errors
    /// When its address or token cannot be found.
    pub fn client(&self) -> anyhow::Result<AdminClient> {
        Ok(AdminClient::find(&self.data, self.admin.as_deref(), self.admin_token.clone())?)
    }
}

/// `halley app ...`
#[derive(Subcommand, Clone, Debug)]
pub enum AppCommand {
    /// Make an app, or change the settings given
    Create(AppCreate),
}

/// `halley app create`.
#[derive(Args, Clone, Debug)]
pub struct AppCreate {
    /// Its name
    pub app: String,
    /// Ways to log in, in order: token, jwt, signature, http, dev
    #[arg(long, value_delimiter = ',')]
    pub auth: Vec<String>,
    /// Only friends may write to each other
    #[arg(long)]
    pub friends_only: bool,
    /// A signed token opens one connection only
    #[arg(long)]
    pub replay_guard: bool,
    /// File with the shared secret of JSON web tokens, at least 32 bytes; white space around it is not part of it
    #[arg(long, value_name = "FILE")]
    pub jwt_secret_file: Option<PathBuf>,
    /// PEM file with the public key of JSON web tokens
    #[arg(long, value_name = "FILE")]
    pub jwt_public_key_file: Option<PathBuf>,
    /// JSON web key set: an absolute path on the server
    #[arg(long, value_name = "PATH")]
    pub jwt_key_set: Option<String>,
    /// Where the app's own server is asked about tokens
    #[arg(long, value_name = "URL")]
    pub auth_url: Option<String>,
    /// The server
    #[command(flatten)]
    pub server: AdminArgs,
}

/// `halley token ...`
#[derive(Subcommand, Clone, Debug)]
pub enum TokenCommand {
    /// Make an access token of a user
    Create(TokenCreate),
}

/// `halley token create`.
#[derive(Args, Clone, Debug)]
pub struct TokenCreate {
    /// The app
    #[arg(long)]
    pub app: String,
    /// The user
    #[arg(long)]
    pub user: String,
    /// How long it is valid: 30m, 24h, 7d; without it the server decides
    #[arg(long, value_parser = parse_ttl)]
    pub ttl: Option<Duration>,
    /// The server
    #[command(flatten)]
    pub server: AdminArgs,
}

/// `halley group ...`
#[derive(Subcommand, Clone, Debug)]
pub enum GroupCommand {
    /// Make a group
    Create(GroupCreate),
}

/// `halley group create`.
#[derive(Args, Clone, Debug)]
pub struct GroupCreate {
    /// The app
    #[arg(long)]
    pub app: String,
    /// The owner, a member too
    #[arg(long)]
    pub owner: String,
    /// Its id; without it the server chooses one
    #[arg(long)]
    pub id: Option<String>,
    /// Its name
    #[arg(long, default_value = "")]
    pub name: String,
    /// The members
    #[arg(long, value_delimiter = ',')]
    pub members: Vec<String>,
    /// One feed instead of an entry per member: for very large groups, and for good
    #[arg(long = "super")]
    pub is_super: bool,
    /// The server
    #[command(flatten)]
    pub server: AdminArgs,
}

/// Runs `halley app ...`.
///
/// # Errors
/// When the server cannot be asked, or refuses.
pub fn run_app(command: &AppCommand) -> anyhow::Result<()> {
    let AppCommand::Create(args) = command;
    let mut settings = Map::new();
    if !args.auth.is_empty() {
        settings.insert("auth".to_owned(), json!(args.auth));
    }
    if args.friends_only {
        settings.insert("friends_only".to_owned(), json!(true));
    }
    if args.replay_guard {
        settings.insert("replay_guard".to_owned(), json!(true));
    }
    if let Some(jwt) = jwt_settings(args)? {
        settings.insert("jwt".to_owned(), jwt);
    }
    if let Some(url) = &args.auth_url {
        settings.insert("http_auth".to_owned(), json!({ "url": url }));
    }
    let answer = args.server.client()?.put_app(&args.app, &Value::Object(settings))?;
    print(&args.server, &answer, &format!("app {} is ready", args.app))
}

/// A secret comes from a file: arguments can be seen by everybody on the machine.
fn jwt_settings(args: &AppCreate) -> anyhow::Result<Option<Value>> {
    let mut jwt = Map::new();
    for (name, file) in [("secret", &args.jwt_secret_file), ("public_key", &args.jwt_public_key_file)] {
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
            jwt.insert(name.to_owned(), json!(text.trim()));
        }
    }
    if let Some(path) = &args.jwt_key_set {
        jwt.insert("key_set_file".to_owned(), json!(path));
    }
    Ok((!jwt.is_empty()).then_some(Value::Object(jwt)))
}

/// Runs `halley token ...`.
///
/// # Errors
/// When the server cannot be asked, or refuses.
pub fn run_token(command: &TokenCommand) -> anyhow::Result<()> {
    let TokenCommand::Create(args) = command;
    let token = args.server.client()?.create_token(&args.app, &args.user, args.ttl)?;
    print(&args.server, &json!({ "token": token }), &token)
}

/// Runs `halley group ...`.
///
/// # Errors
/// When the server cannot be asked, or refuses.
pub fn run_group(command: &GroupCommand) -> anyhow::Result<()> {
    let GroupCommand::Create(args) = command;
    let mut members = args.members.clone();
    if !members.contains(&args.owner) {
        members.insert(0, args.owner.clone());
    }
    let mut group =
        json!({ "name": args.name, "owner": args.owner, "super": args.is_super, "members": members });
    if let Some(id) = &args.id {
        group["group_id"] = json!(id);
    }
    let answer = args.server.client()?.create_group(&args.app, &group)?;
    let id =
        answer.get("group_id").and_then(Value::as_str).context("the server's answer names no group_id")?;
    print(&args.server, &answer, &format!("group {id} with {} members", members.len()))
}

fn print(args: &AdminArgs, answer: &Value, human: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{answer}")?;
    } else {
        writeln!(out, "{human}")?;
    }
    Ok(())
}

/// `90s`, `30m`, `24h`, `7d`.
fn parse_ttl(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write 90s, 30m, 24h or 7d");
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let unit_s = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_s).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_in_all_units() {
        let seconds = |text| parse_ttl(text).map(|ttl| ttl.as_secs());
        assert_eq!((seconds("90s"), seconds("30m"), seconds("7d")), (Ok(90), Ok(1800), Ok(604_800)));
        assert!(parse_ttl("7").is_err() && parse_ttl("h").is_err() && parse_ttl("-1h").is_err());
    }
}
