//! What came of a run: one value, shown as a table ([`table`]) or written as JSON ([`json`]); plots read the JSON.

pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::args::CommonArgs;
use crate::check::Tally;
use crate::measure::latency::Percentiles;
use crate::measure::server::Usage;

/// Everything about a run.
#[derive(Clone, Default, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) server: String,
    pub(crate) parameters: BTreeMap<String, String>,
    /// Cores of the machine that the loader ran on.
    pub(crate) cores: usize,
    pub(crate) connections: usize,
    pub(crate) connects_per_s: f64,
    pub(crate) measured_s: f64,
    pub(crate) acked_per_s: f64,
    pub(crate) ack: Option<Percentiles>,
    pub(crate) delivery: Option<Percentiles>,
    pub(crate) usage: Option<Usage>,
    pub(crate) cpu_us_per_message: Option<f64>,
    pub(crate) idle: Option<IdleCost>,
    /// First arrivals of group messages at members, a second.
    pub(crate) deliveries_per_s: Option<f64>,
    pub(crate) refused_logins_per_s: Option<f64>,
    pub(crate) beside: Option<BesideCost>,
    pub(crate) tally: Tally,
    pub(crate) timeline: Vec<Second>,
    pub(crate) problems: Vec<String>,
    pub(crate) first_error: Option<String>,
}

/// What an idle connection costs the server.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IdleCost {
    pub(crate) rss_before_bytes: u64,
    pub(crate) rss_bytes: u64,
    pub(crate) rss_bytes_per_connection: f64,
    pub(crate) connect_cpu_us_each: f64,
    pub(crate) idle_cpu_us_per_s_each: f64,
}

/// What some load costs a private conversation beside it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BesideCost {
    pub(crate) ack_before: Percentiles,
    pub(crate) ack_during: Percentiles,
    pub(crate) delivery_before: Percentiles,
    pub(crate) delivery_during: Percentiles,
}

/// One second of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Second {
    pub(crate) second: u64,
    pub(crate) warm_up: bool,
    pub(crate) sent: u64,
    pub(crate) acked: u64,
    pub(crate) delivered: u64,
    pub(crate) in_flight: u64,
    pub(crate) cpu_s: f64,
    pub(crate) rss_bytes: u64,
}

impl Second {
    pub(crate) fn new(second: u64, warm_up: bool, last: [u64; 3], totals: [u64; 3], usage: Usage) -> Self {
        let [sent, acked, delivered] = [0, 1, 2].map(|at| totals[at].saturating_sub(last[at]));
        let in_flight = totals[0].saturating_sub(totals[1]);
        Self {
            second,
            warm_up,
            sent,
            acked,
            delivered,
            in_flight,
            cpu_s: usage.cpu_s,
            rss_bytes: usage.rss_bytes,
        }
    }

    pub(crate) fn line(&self, with_server: bool) -> String {
        let Self { second, sent, acked, delivered, in_flight, .. } = self;
        let phase = if self.warm_up { " (warm-up)" } else { "" };
        let server = if with_server {
            format!("  server {:.2} cores {:.1} MB", self.cpu_s, self.rss_bytes as f64 / 1e6)
        } else {
            String::new()
        };
        format!(
            "{second:>4} s{phase}  sent {sent}/s  acked {acked}/s  delivered {delivered}/s  in flight {in_flight}{server}"
        )
    }
}

impl Report {
    pub(crate) fn new(scenario: &str, server: &str, common: &CommonArgs) -> Self {
        let mut report = Self {
            scenario: scenario.to_owned(),
            server: server.to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            ..Self::default()
        };
        report.parameter("app", &common.app);
        report.parameter("threads", common.threads);
        report
    }

    pub(crate) fn parameter(&mut self, name: &str, value: impl ToString) {
        self.parameters.insert(name.to_owned(), value.to_string());
    }

    pub(crate) fn connected(&mut self, connections: usize, seconds: f64) {
        self.connections = connections;
        self.connects_per_s = connections as f64 / seconds.max(1e-9);
    }

    /// The measured part: its length, what the server spent in it, what was acknowledged in it.
    pub(crate) fn measured(&mut self, duration: Duration, usage: Option<Usage>, tally: &Tally) {
        self.measured_s = duration.as_secs_f64();
        self.acked_per_s = tally.acked_measured as f64 / self.measured_s.max(1e-9);
        self.cpu_us_per_message = usage
            .filter(|_| tally.acked_measured > 0)
            .map(|usage| usage.cpu_s * 1e6 / tally.acked_measured as f64);
        self.usage = usage;
    }

    /// All was counted: the verdict.
    pub(crate) fn conclude(&mut self, tally: Tally) {
        self.problems = tally.problems();
        if tally.acked == 0 {
            self.problems.push("not one message was acknowledged".to_owned());
        }
        self.tally = tally;
    }
}
