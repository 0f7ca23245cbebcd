//! What the process has used.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time and memory of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Processor time of all threads since the start.
    pub cpu: Duration,
    /// Resident memory, in bytes; 0 where the system does not tell.
    pub rss_bytes: u64,
}

/// Reads both. Costs a system call and a small file.
#[must_use]
pub fn usage() -> Usage {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Usage { cpu: Duration::new(seconds, nanos), rss_bytes: rss_bytes().unwrap_or(0) }
}

fn rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_grow_with_use() {
        let before = usage();
        assert!(before.rss_bytes > 100_000);
        let block: Vec<u64> = (0..4 << 20).collect();
        let after = usage();
        assert!(after.rss_bytes >= before.rss_bytes + (16 << 20), "{} values", block.len());
        assert!(after.cpu > before.cpu);
    }
}
