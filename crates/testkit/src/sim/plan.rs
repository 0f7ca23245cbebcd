//! What a run does: its length, its faults, and the sizes that a seed gives the server.

use std::sync::Arc;
use std::time::Duration;

use halley_backends::Options;
use halley_core::metrics::Metrics;

use crate::rng::Rng;

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All choices follow from it.
    pub seed: u64,
    /// Steps of the schedule before everything is left to settle.
    pub steps: u32,
    /// What breaks.
    pub faults: Faults,
    /// Syncs say that they succeeded and do nothing: the checks must see it.
    pub is_fsync_a_lie: bool,
    /// The first cursors of the devices are not flushed before the schedule begins.
    pub are_devices_new: bool,
}

/// How often something breaks: times in 10,000 steps.
#[derive(Clone, Copy, Default, Debug)]
pub struct Faults {
    /// A connection is cut, in one of five ways.
    pub cuts: u32,
    /// A client's acknowledgements of pushes are lost for a while.
    pub lost_acks: u32,
    /// The power goes off between two steps.
    pub power_losses: u32,
    /// The power goes off inside one of the next writes or syncs.
    pub power_losses_inside: u32,
    /// `kill -9`: memory is lost, the page cache stays.
    pub kills: u32,
    /// The process drains, ends, and is started again.
    pub restarts: u32,
    /// One of the next syncs fails, and what it should have written counts as clean: the process ends by itself.
    pub failing_syncs: u32,
    /// The disk is full for a while: sends are refused for now, or wait, and nothing else happens.
    pub full_disks: u32,
}

impl Plan {
    /// Nothing breaks.
    #[must_use]
    pub fn peaceful(seed: u64) -> Self {
        Self { seed, steps: 3_000, faults: Faults::default(), is_fsync_a_lie: false, are_devices_new: false }
    }

    /// A bit of everything.
    #[must_use]
    pub fn chaos(seed: u64) -> Self {
        let faults = Faults {
            cuts: 60,
            lost_acks: 30,
            power_losses: 4,
            power_losses_inside: 6,
            kills: 6,
            restarts: 6,
            failing_syncs: 6,
            full_disks: 0,
        };
        Self { faults, ..Self::peaceful(seed) }
    }

    /// Mostly power losses.
    #[must_use]
    pub fn power(seed: u64) -> Self {
        let faults = Faults {
            cuts: 20,
            power_losses: 20,
            power_losses_inside: 40,
            failing_syncs: 4,
            ..Faults::default()
        };
        Self { faults, ..Self::peaceful(seed) }
    }

    /// Connections hold, but clients' acknowledgements of pushes are lost for seconds.
    #[must_use]
    pub fn deaf(seed: u64) -> Self {
        Self { faults: Faults { lost_acks: 100, ..Faults::default() }, ..Self::peaceful(seed) }
    }

    /// The disk is full now and then.
    #[must_use]
    pub fn full(seed: u64) -> Self {
        Self { faults: Faults { cuts: 20, full_disks: 30, ..Faults::default() }, ..Self::peaceful(seed) }
    }

    /// The power goes off under a server whose fsync was removed.
    #[must_use]
    pub fn lying(seed: u64) -> Self {
        let faults = Faults { power_losses: 20, ..Faults::default() };
        Self { faults, is_fsync_a_lie: true, ..Self::peaceful(seed) }
    }
}

/// Sizes and times of the server, small ones among them, so that their bounds are met.
#[derive(Clone, Debug)]
pub(super) struct Tuning {
    pub(super) comet: halley_comet::Config,
    pub(super) answer: halley_answer::Config,
    tail: halley_core::tail::TailLimits,
    log: halley_journal::Config,
    idle_mark_after: Duration,
}

impl Tuning {
    /// Those of one life; the log's identity stays.
    pub(super) fn of(rng: &mut Rng, log_id: u64) -> Self {
        let comet = halley_comet::Config {
            window: *rng.one_of(&[1, 2, 5, 16, 64]),
            resends_max: *rng.one_of(&[4, 8]),
            resend_delay_min: Duration::from_millis(*rng.one_of(&[200, 2_000])),
            cursor_interval: Duration::from_millis(*rng.one_of(&[100, 1_000, 5_000])),
            commands_max: *rng.one_of(&[64, 32_768]),
            shown_per_turn: *rng.one_of(&[1, 3, 1_024]),
            connections_max: 10_000,
            ..halley_comet::Config::default()
        };
        let answer = halley_answer::Config {
            batch_max: *rng.one_of(&[1, 3, 256]),
            pending_max: *rng.one_of(&[1, 4, 32_768]),
            ..halley_answer::Config::default()
        };
        let tail = halley_core::tail::TailLimits {
            keep_bytes: *rng.one_of(&[0, 4 << 10, 4 << 20]),
            bytes_max: *rng.one_of(&[4 << 10, 64 << 20]),
        };
        let log = halley_journal::Config {
            segment_bytes: *rng.one_of(&[32 << 10, 256 << 10]),
            zero_ahead_bytes: *rng.one_of(&[4 << 10, 32 << 10]),
            first_segment_zero_bytes: 8 << 10,
            record_bytes_max: 8 << 10,
            batch_bytes_max: 16 << 10,
            reader_files_max: *rng.one_of(&[1, 8]),
            new_log: halley_journal::NewLog { log_id: Some(log_id), ..halley_journal::NewLog::default() },
        };
        let idle_mark_after = Duration::from_millis(*rng.one_of(&[2, 100]));
        Self { comet, answer, tail, log, idle_mark_after }
    }

    pub(super) fn options(&self, metrics: &Arc<Metrics>) -> Options {
        let mut options = Options::new(Arc::clone(metrics));
        options.log = self.log.clone();
        options.tail = self.tail;
        options.journal.idle_mark_after = self.idle_mark_after;
        options.state.cache_bytes = 256 << 10;
        options
    }
}
