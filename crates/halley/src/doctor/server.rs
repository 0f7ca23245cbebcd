//! The server: whether it answers and is ready, or whether one could start; settings that are weak.

use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use super::Findings;
use super::data::UseOfIt;
use crate::admin_client::AdminClient;
use crate::admin_commands::AdminArgs;
use crate::config::{Config, Fsync, Listen};

/// A healthy index is some thousands of records behind at full load.
const INDEX_LAG_ADVICE: f64 = 100_000.0;

pub(super) fn check(server: &AdminArgs, config: &Config, use_of_it: UseOfIt, findings: &mut Findings) {
    if config.journal.fsync != Fsync::Always {
        findings.advise(
            "fsync",
            "journal.fsync is not always: a power loss may take messages that were acknowledged",
        );
    }
    if use_of_it != UseOfIt::Locked && server.admin.is_none() {
        ports(config, findings);
        return;
    }
    match server.client() {
        Ok(client) => ask(&client, findings),
        Err(error) => {
            findings
                .advise("server", format!("its admin API cannot be found ({error}): name it with --admin"));
        }
    }
}

fn ask(client: &AdminClient, findings: &mut Findings) {
    match client.readiness() {
        Err(error) => {
            findings.act("server", format!("{error}"));
            return;
        }
        Ok(answer) if answer["ready"] == true => findings.ok("server", "it answers and is ready"),
        Ok(answer) => {
            let reasons = answer["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
            let why: Vec<_> = reasons.iter().map(Value::to_string).collect();
            findings.act("server", format!("it is not ready: {}", why.join(", ")));
        }
    }
    match client.metrics() {
        Ok(text) => metrics(&text, findings),
        Err(error) => findings.advise("metrics", format!("{error}")),
    }
    match client.apps() {
        Ok(answer) => {
            let apps = answer["apps"].as_array().map(Vec::as_slice).unwrap_or_default();
            let is_dev =
                |app: &Value| app["auth"].as_array().is_some_and(|auth| auth.contains(&"dev".into()));
            let apps =
                apps.iter().map(|app| (app["app"].as_str().unwrap_or_default().to_owned(), is_dev(app)));
            weak_apps(apps, findings);
        }
        Err(error) => findings.advise("apps", format!("{error}")),
    }
}

fn metrics(text: &str, findings: &mut Findings) {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("halley_{name} ")));
        line.and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(0.0)
    };
    let lag = value("index_lag_records");
    if lag > INDEX_LAG_ADVICE {
        findings.advise(
            "index",
            format!("it is {lag:.0} records behind the journal: the disk is too slow for it"),
        );
    } else {
        findings.ok("index", format!("{lag:.0} records behind the journal"));
    }
    let failures = value("retention_failures_total");
    if failures > 0.0 {
        findings.advise("retention", format!("{failures:.0} steps failed since the start: see the log"));
    }
    let retries = value("journal_commit_retries_total");
    if retries > 0.0 {
        findings
            .advise("journal", format!("{retries:.0} commits had to wait for disk space since the start"));
    }
}

/// Apps by name, and whether anybody can log in to them as anybody.
pub(super) fn weak_apps(apps: impl Iterator<Item = (String, bool)>, findings: &mut Findings) {
    let weak: Vec<String> = apps.filter(|(_, is_dev)| *is_dev).map(|(name, _)| name).collect();
    if weak.is_empty() {
        findings.ok("apps", "none accepts dev authentication");
    } else {
        let names = weak.join(", ");
        findings.advise("apps", format!("dev authentication lets anybody in as anybody: {names}"));
    }
}

/// Whether the ports are free that a server would take.
fn ports(config: &Config, findings: &mut Findings) {
    let listen = &config.listen;
    let wanted: [(&str, &Listen); 3] = [
        ("listen.txchat_tcp", &listen.txchat_tcp),
        ("listen.txchat_ws", &listen.txchat_ws),
        ("listen.admin", &listen.admin),
    ];
    let taken: Vec<String> = wanted
        .into_iter()
        .filter_map(|(name, listen)| {
            let address: SocketAddr = listen.address()?;
            let error = TcpListener::bind(address).err()?;
            Some(format!("{name} {address} ({error})"))
        })
        .collect();
    if taken.is_empty() {
        findings.ok("ports", "free for a server to start");
    } else {
        findings.act("ports", format!("not to be had: {}; set another address or off", taken.join(", ")));
    }
}
