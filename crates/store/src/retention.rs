//! Retention: raises floors where apps say how long, and how many entries, they keep.
//!
//! Owns: where the floors of age and of entries belong, and how much is looked at in one step.
//!
//! Does not: take anything out of the journal; that follows the floors in its own time.
//!
//! Age is one floor for the whole app. Entries are a floor for each timeline: those that grew are looked at again, and
//! after a start, or when too many grew, all of them, a few at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use halley_core::app::App;
use halley_core::clock::Clock;
use halley_core::ids::AppId;
use halley_core::key::SyncKey;
use halley_core::metrics::Metrics;
use halley_core::ports::PortError;
use halley_core::ports::accounts::Apps;
use halley_core::ports::floors::{FloorOf, Floors};
use halley_core::ports::retention::{Catalog, Past};
use halley_core::tail::TailRecord;
use halley_core::timeline::TimelineId;
use parking_lot::Mutex;

/// How it works.
#[derive(Clone, Copy, Debug)]
pub struct RetentionConfig {
    /// From step to step.
    pub every: Duration,
    /// Timelines looked at in one step.
    pub timelines_at_once: usize,
    /// From the end of one walk over all timelines to the next.
    pub walk_every: Duration,
    /// What apps keep that do not say.
    pub default: halley_core::app::Retention,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(10),
            timelines_at_once: 2_000,
            walk_every: Duration::from_hours(24),
            default: halley_core::app::Retention::default(),
        }
    }
}

/// What retention works on.
#[derive(Clone)]
pub struct RetentionPorts {
    /// Who keeps how much.
    pub apps: Arc<dyn Apps>,
    /// What it raises.
    pub floors: Arc<dyn Floors>,
    /// The index by timelines.
    pub catalog: Arc<dyn Catalog>,
    /// The journal by time.
    pub past: Arc<dyn Past>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
}

/// Timelines that grew since they were looked at, as the materializer tells.
#[derive(Debug, Default)]
pub struct Grown(Mutex<GrownState>);

#[derive(Debug, Default)]
struct GrownState {
    /// Somebody keeps a number of entries: until then nothing is noted.
    is_wanted: bool,
    entries: HashMap<TimelineId, u64>,
    /// Too many: all have to be looked at.
    has_lost: bool,
}

/// So many timelines are noted; beyond them all are walked through.
const GROWN_MAX: usize = 100_000;
/// A timeline is looked at again when it has grown by one part in so many of what it may have.
const GROWTH_PART: u64 = 16;

impl Grown {
    /// These records were indexed.
    pub(crate) fn note(&self, batch: &[TailRecord]) {
        let mut state = self.0.lock();
        if !state.is_wanted {
            return;
        }
        for timeline in batch.iter().flat_map(|record| record.entry.record.timelines()) {
            if state.entries.len() >= GROWN_MAX && !state.entries.contains_key(&timeline) {
                state.has_lost = true;
                continue;
            }
            *state.entries.entry(timeline).or_default() += 1;
        }
    }

    /// Takes up to `max` that have grown enough, and whether others were lost.
    fn take(&self, kept: &BTreeMap<AppId, u64>, max: usize) -> (Vec<TimelineId>, bool) {
        let mut state = self.0.lock();
        state.is_wanted = !kept.is_empty();
        if !state.is_wanted {
            *state = GrownState::default();
            return (Vec::new(), false);
        }
        let enough = |timeline: &TimelineId, grown: u64| {
            kept.get(&timeline.app()).is_some_and(|entries| grown > entries / GROWTH_PART)
        };
        let ready = state.entries.iter().filter(|(timeline, grown)| enough(timeline, **grown));
        let ready: Vec<_> = ready.map(|(timeline, _)| *timeline).take(max).collect();
        for timeline in &ready {
            state.entries.remove(timeline);
        }
        (ready, std::mem::take(&mut state.has_lost))
    }
}

/// See the module.
pub struct Retention {
    config: RetentionConfig,
    ports: RetentionPorts,
    grown: Arc<Grown>,
    /// Behind which timeline the walk goes on; `None` when it is done until `walk_at`.
    walk: Option<Option<TimelineId>>,
    walk_at: Option<Instant>,
    /// Something was missed while it went on: another one follows at once.
    walk_again: bool,
    /// What the apps kept at the last step: who keeps less now has all timelines looked at.
    kept: BTreeMap<AppId, u64>,
}

impl Retention {
    /// Nothing is done but in [`Retention::step`].
    #[must_use]
    pub fn new(config: RetentionConfig, ports: RetentionPorts, grown: Arc<Grown>) -> Self {
        Self { config, ports, grown, walk: None, walk_at: None, walk_again: false, kept: BTreeMap::new() }
    }

    /// Works like this from now on.
    pub fn configure(&mut self, config: RetentionConfig) {
        self.config = config;
    }

    /// From step to step.
    #[must_use]
    pub fn every(&self) -> Duration {
        self.config.every
    }

    /// Looks at ages, and at some timelines; answers whether there is more to look at now. May block on the disk.
    ///
    /// # Errors
    /// When a backend did not do its part: the next step does it again.
    pub async fn step(&mut self) -> Result<bool, PortError> {
        let apps = self.ports.apps.list().await?;
        let mut raises = self.ages(&apps)?;
        let more = self.entries(&apps, &mut raises)?;
        if !raises.is_empty() {
            let raised = raises.len() as u64;
            self.ports.floors.raise(raises).await?;
            self.ports.metrics.floors_raised.inc_by(raised);
        }
        Ok(more)
    }

    /// Where the floors of age belong.
    fn ages(&self, apps: &[Arc<App>]) -> Result<Vec<(FloorOf, SyncKey)>, PortError> {
        let now_ms = self.ports.clock.now().wall_ms;
        let mut raises = Vec::new();
        for app in apps {
            let Some(age_s) = app.settings.retention.age_s.or(self.config.default.age_s) else { continue };
            let before_ms = now_ms.saturating_sub(age_s.saturating_mul(1_000));
            let floor = self.ports.past.newest_older_than(before_ms)?;
            // Any timeline of the app: its own floor may be higher, and then this one changes nothing.
            let known = self.ports.floors.floor(TimelineId::Inbox(app.id, halley_core::ids::UserId(0)))?;
            if floor > known {
                raises.push((FloorOf::App(app.id), floor));
            }
        }
        Ok(raises)
    }

    /// Where the floors of entries belong, for as many timelines as one step may look at.
    fn entries(
        &mut self,
        apps: &[Arc<App>],
        raises: &mut Vec<(FloorOf, SyncKey)>,
    ) -> Result<bool, PortError> {
        let kept: BTreeMap<AppId, u64> = apps
            .iter()
            .filter_map(|app| {
                let entries = app.settings.retention.entries.or(self.config.default.entries);
                entries.map(|entries| (app.id, entries))
            })
            .collect();
        let max = self.config.timelines_at_once;
        let (mut timelines, has_lost) = self.grown.take(&kept, max);
        let mut more = timelines.len() == max;
        if kept.is_empty() {
            (self.walk, self.walk_at) = (None, None);
            self.kept = kept;
            return Ok(false);
        }
        let now = self.ports.clock.now().mono;
        let is_due = self.walk.is_none() && self.walk_at.is_none_or(|at| at <= now);
        let must = has_lost || kept != self.kept;
        self.walk_again |= must && self.walk.is_some();
        if self.walk.is_none() && (is_due || must) {
            self.walk = Some(None);
        }
        self.kept.clone_from(&kept);
        let mut walked = self.walk;
        if let Some(behind) = self.walk
            && timelines.len() < max
        {
            let found = self.ports.catalog.timelines_behind(behind, max - timelines.len())?;
            walked = found.last().map(|last| Some(*last));
            more |= walked.is_some();
            timelines.extend(found);
        }
        for timeline in timelines {
            let Some(entries) = kept.get(&timeline.app()) else { continue };
            let known = self.ports.floors.floor(timeline)?;
            let last_gone = entries.saturating_add(1);
            if let Some(floor) = self.ports.catalog.nth_newest(timeline, known, last_gone)? {
                raises.push((FloorOf::Timeline(timeline), floor));
            }
        }
        if self.walk.is_some() && walked.is_none() {
            let again = std::mem::take(&mut self.walk_again);
            self.walk_at = Some(if again { now } else { now + self.config.walk_every });
        }
        self.walk = walked;
        Ok(more)
    }
}
