//! A whole server on one thread: the real roles, joined by the real composition, over simulated sockets, a simulated
//! disk and a simulated clock, driven by one seeded schedule; and clients that know everything they were promised.
//!
//! Owns: the schedule (who works next, which bytes arrive, what breaks), the clients, the checks of promises 1 to 5 and
//! of the counters.
//!
//! Does not: use threads, sleep, or look at a real clock. A seed replays a run: [`Report::trace`] is equal.

mod changes;
mod clients;
mod device;
mod faults;
mod feed;
mod link;
mod lives;
mod plan;
mod reader;
mod scripts;
mod server;
mod settle;
mod talk;
mod trace;
mod world;

use std::fmt;

pub use plan::{Faults, Plan};
pub use scripts::power_goes_behind_first_logins;

use world::World;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Everything that contradicts the promises, and what could not go on.
    pub wrong: Vec<String>,
    /// The server refused to start over its own disk.
    pub was_start_refused: bool,
    /// A hash of every choice, and of everything clients and readers were given.
    pub trace: u64,
    /// Messages said.
    pub said: usize,
    /// Messages acknowledged.
    pub acknowledged: usize,
    /// Process lives, the last included.
    pub lives: usize,
    /// Connections that were broken.
    pub broken_links: u64,
    /// Pushes that were sent again.
    pub resends: u64,
    /// Sends that were repetitions.
    pub repetitions: u64,
    /// Times a session fell behind the feed.
    pub behind: u64,
    /// Times a super group's feed began to lag behind its session.
    pub lagging: u64,
    /// Times somebody joined or left the super group.
    pub stays: u64,
    /// Commits that found no space.
    pub commit_retries: u64,
    /// Sends refused for now.
    pub refused: u64,
}

impl Report {
    /// Whether a message that a client was acknowledged is gone.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.wrong.iter().any(|wrong| wrong.contains("was acknowledged and is not in the inbox"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} said, {} acknowledged, {} lives, {} broken links, {} resends, {} repetitions, {} behind, {} lagging, {} joined or left, \
             {} commits retried, {} sends refused, trace {:016x}",
            self.seed,
            self.said,
            self.acknowledged,
            self.lives,
            self.broken_links,
            self.resends,
            self.repetitions,
            self.behind,
            self.lagging,
            self.stays,
            self.commit_retries,
            self.refused,
            self.trace
        )
    }
}

/// Runs the plan to its end, lets everything settle, and checks.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let mut world = match World::new(plan) {
        Ok(world) => world,
        Err(error) => return Report::unstarted(plan.seed, &error),
    };
    let ended = world.run();
    world.report(ended)
}

impl Report {
    fn unstarted(seed: u64, error: &anyhow::Error) -> Self {
        Self {
            seed,
            wrong: vec![format!("the server did not start on an empty disk: {error:#}")],
            was_start_refused: true,
            trace: 0,
            said: 0,
            acknowledged: 0,
            lives: 0,
            broken_links: 0,
            resends: 0,
            repetitions: 0,
            behind: 0,
            lagging: 0,
            stays: 0,
            commit_retries: 0,
            refused: 0,
        }
    }
}
