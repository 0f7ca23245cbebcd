//! What the server's processes spend, read from `/proc`.

use std::fs;

use anyhow::Context;
use serde::Serialize;

/// A reading of one moment, summed over processes.
#[derive(Clone, Copy, Default, PartialEq, Debug, Serialize)]
pub(crate) struct Usage {
    /// User and system time so far, seconds.
    pub(crate) cpu_s: f64,
    /// Resident memory, bytes.
    pub(crate) rss_bytes: u64,
    /// Voluntary and involuntary switches so far, all threads that live.
    pub(crate) context_switches: u64,
}

impl Usage {
    /// Reads these processes.
    pub(crate) fn read(pids: &[u32]) -> anyhow::Result<Self> {
        let mut sum = Self::default();
        for &pid in pids {
            let one = read_one(pid)
                .with_context(|| format!("cannot read /proc/{pid}: is that the server's process id?"))?;
            sum.cpu_s += one.cpu_s;
            sum.rss_bytes += one.rss_bytes;
            sum.context_switches += one.context_switches;
        }
        Ok(sum)
    }

    /// What was spent since `earlier`; memory is that of now.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - earlier.cpu_s,
            rss_bytes: self.rss_bytes,
            context_switches: self.context_switches.saturating_sub(earlier.context_switches),
        }
    }
}

fn read_one(pid: u32) -> anyhow::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the fields after it do not.
    let fields: Vec<&str> = stat.rsplit_once(')').context("no process name")?.1.split_whitespace().collect();
    let ticks =
        |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).context("a field is missing");
    let cpu_s = (ticks(11)? + ticks(12)?) as f64 / rustix::param::clock_ticks_per_second() as f64;
    let rss_bytes = ticks(21)? * rustix::param::page_size() as u64;
    let mut context_switches = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        // A thread may end between listing and reading.
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        context_switches += status
            .lines()
            .filter(|line| line.contains("voluntary_ctxt_switches"))
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum::<u64>();
    }
    Ok(Usage { cpu_s, rss_bytes, context_switches })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_wrong_id_is_said_so() {
        let usage = Usage::read(&[std::process::id()]).unwrap();
        assert!(usage.rss_bytes > 100_000 && usage.cpu_s >= 0.0);
        assert!(Usage::read(&[u32::MAX]).unwrap_err().to_string().contains("process id"));
    }
}
