//! The report for people.

use std::fmt::Write;

use super::Report;
use crate::measure::latency::Percentiles;

/// The table.
pub(crate) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _infallible = write_all(report, &mut out);
    out
}

fn write_all(report: &Report, out: &mut String) -> std::fmt::Result {
    let Report { scenario, server, tally, .. } = report;
    let parameters: Vec<String> =
        report.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    writeln!(out, "\n{scenario} against {server}  {}", parameters.join(" "))?;
    writeln!(out, "  connections   {:>12}   {:.0} logins/s", report.connections, report.connects_per_s)?;
    if report.measured_s > 0.0 {
        writeln!(out, "  acknowledged  {:>12.0}/s over {:.1} s", report.acked_per_s, report.measured_s)?;
    }
    if let Some(each) = report.deliveries_per_s {
        writeln!(out, "  delivered     {each:>12.0}/s to members")?;
    }
    if let Some(each) = report.refused_logins_per_s {
        writeln!(out, "  refused       {each:>12.0} logins/s over {:.1} s", report.measured_s)?;
    }
    if report.ack.is_some() || report.delivery.is_some() || report.beside.is_some() {
        writeln!(
            out,
            "  latency, ms   {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "mean", "p50", "p90", "p99", "p99.9", "max"
        )?;
        write_latency(out, "ack", report.ack.as_ref())?;
        write_latency(out, "delivery", report.delivery.as_ref())?;
        if let Some(beside) = &report.beside {
            writeln!(out, "  private conversation beside it")?;
            write_latency(out, "ack before", Some(&beside.ack_before))?;
            write_latency(out, "ack during", Some(&beside.ack_during))?;
            write_latency(out, "push before", Some(&beside.delivery_before))?;
            write_latency(out, "push during", Some(&beside.delivery_during))?;
        }
    }
    if let Some(usage) = &report.usage {
        let cores = usage.cpu_s / report.measured_s.max(1e-9);
        writeln!(out, "  server CPU    {:>12.2} s = {cores:.2} cores", usage.cpu_s)?;
        if let Some(each) = report.cpu_us_per_message {
            writeln!(out, "                {each:>12.1} us per message")?;
        }
        writeln!(out, "  server RSS    {:>12.1} MB", usage.rss_bytes as f64 / 1e6)?;
        writeln!(out, "  switches      {:>12}", usage.context_switches)?;
    }
    if let Some(idle) = &report.idle {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        writeln!(
            out,
            "  server RSS    {:>12.1} MB, {:.1} before",
            megabytes(idle.rss_bytes),
            megabytes(idle.rss_before_bytes)
        )?;
        writeln!(out, "                {:>12.0} bytes per connection", idle.rss_bytes_per_connection)?;
        writeln!(out, "  server CPU    {:>12.1} us per login", idle.connect_cpu_us_each)?;
        writeln!(out, "                {:>12.2} us/s per idle connection", idle.idle_cpu_us_per_s_each)?;
    }
    writeln!(
        out,
        "  checked       sent {} acked {} delivered {} echoed {}",
        tally.sent, tally.acked, tally.delivered, tally.echoed
    )?;
    writeln!(
        out,
        "                refused {} never acked {} lost {} echo lost {} doubled {} acked twice {} out of order {} impossible {}",
        tally.refused,
        tally.never_acked,
        tally.lost,
        tally.echo_lost,
        tally.doubled,
        tally.acked_twice,
        tally.out_of_order,
        tally.impossible
    )?;
    writeln!(
        out,
        "                resent {} signals {} foreign {} closed {}",
        tally.resent, tally.signals, tally.foreign, tally.closed
    )?;
    if let Some(error) = &report.first_error {
        writeln!(out, "  first error   {error}")?;
    }
    if report.problems.is_empty() {
        writeln!(out, "  every message once, in order")
    } else {
        writeln!(out, "  FAILED: {}", report.problems.join("; "))
    }
}

fn write_latency(out: &mut String, name: &str, percentiles: Option<&Percentiles>) -> std::fmt::Result {
    let Some(it) = percentiles else { return Ok(()) };
    let row = [it.mean_ms, it.p50_ms, it.p90_ms, it.p99_ms, it.p999_ms, it.max_ms];
    let row: Vec<String> = row.iter().map(|ms| format!("{ms:>9.2}")).collect();
    writeln!(out, "    {name:<11} {}", row.join(" "))
}
