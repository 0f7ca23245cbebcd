//! `/v1/stats`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::process;
use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(stats))
}

/// The server in numbers. Counters run since the start of the process.
#[derive(Serialize, ToSchema)]
struct Stats {
    version: &'static str,
    /// The number of this process in the installation.
    #[schema(example = "0")]
    node: String,
    uptime_s: u64,
    /// Open now.
    connections: i64,
    /// Authenticated connections now.
    sessions: usize,
    accepts: u64,
    logins: u64,
    /// Accepted and durable; repetitions are not among them.
    messages: u64,
    repetitions: u64,
    /// Entries pushed to sessions; resends are not among them.
    pushes: u64,
    resends: u64,
    push_acks: u64,
    sessions_behind: u64,
    journal_commits: u64,
    journal_commit_bytes: u64,
    queues: Queues,
    /// By reason; a durable entry is never among them.
    drops: BTreeMap<&'static str, u64>,
    /// Connections the server closed, by reason.
    closes: BTreeMap<&'static str, u64>,
    /// Messages refused, by reason.
    refusals: BTreeMap<&'static str, u64>,
    /// Logins refused, by reason.
    login_refusals: BTreeMap<&'static str, u64>,
    process: Process,
}

/// What waits.
#[derive(Serialize, ToSchema)]
struct Queues {
    /// Durable records that are not indexed yet.
    index_lag_records: i64,
    /// Signature checks of logins that wait for a thread.
    login_checks: i64,
    /// Questions to apps' own servers that wait for a thread.
    login_calls: i64,
}

/// What the operating system says of the process.
#[derive(Serialize, ToSchema)]
struct Process {
    /// Resident memory; null where `/proc` is not mounted.
    rss_bytes: Option<u64>,
    /// Processor time of all threads, in microseconds.
    cpu_us: u64,
}

/// The server in numbers.
#[utoipa::path(get, path = "/v1/stats", tag = "stats", responses((status = 200, description = "Numbers", body = Stats)))]
async fn stats(State(shared): State<Shared>) -> Json<Stats> {
    let state = &shared.state;
    let metrics = &state.metrics;
    let uptime = state.clock.now().mono.saturating_duration_since(state.node.started);
    Json(Stats {
        version: state.node.version,
        node: state.node.id.to_string(),
        uptime_s: uptime.as_secs(),
        connections: metrics.connections.get(),
        sessions: state.directory.count(),
        accepts: metrics.accepts.get(),
        logins: metrics.logins.get(),
        messages: metrics.messages.get(),
        repetitions: metrics.repetitions.get(),
        pushes: metrics.pushes.get(),
        resends: metrics.resends.get(),
        push_acks: metrics.push_acks.get(),
        sessions_behind: metrics.sessions_behind.get(),
        journal_commits: metrics.commits.get(),
        journal_commit_bytes: metrics.commit_bytes.get(),
        queues: Queues {
            index_lag_records: metrics.index_lag.get(),
            login_checks: metrics.login_checks_waiting.get(),
            login_calls: metrics.login_calls_waiting.get(),
        },
        drops: metrics.drops.values().into_iter().collect(),
        closes: metrics.closes.values().into_iter().collect(),
        refusals: metrics.refusals.values().into_iter().collect(),
        login_refusals: metrics.login_refusals.values().into_iter().collect(),
        process: Process {
            rss_bytes: process::resident_bytes(),
            cpu_us: u64::try_from(process::cpu_time().as_micros()).unwrap_or(u64::MAX),
        },
    })
}
