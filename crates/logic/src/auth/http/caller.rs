//! Questions on their way: on threads of their own, within their time, few at once for one app.

use std::sync::Arc;
use std::time::Duration;

use halley_core::app::HttpAuthSettings;
use halley_core::clock::Clock;
use halley_core::ids::AppId;
use halley_core::metrics::Metrics;

use super::agent::HttpAgent;
use super::answer::Answer;
use super::question::Question;
use super::yes_cache::YesCache;
use crate::auth::pool::{NotDone, Pool};

/// See the module.
pub(in crate::auth) struct Caller {
    pool: Pool,
    agent: Arc<HttpAgent>,
    yeses: YesCache,
    time_max: Duration,
    metrics: Arc<Metrics>,
}

impl Caller {
    pub(in crate::auth) fn new(pool: Pool, time_max: Duration, metrics: Arc<Metrics>) -> Self {
        Self { pool, agent: Arc::default(), yeses: YesCache::default(), time_max, metrics }
    }

    /// The answer, which may be one that was given before.
    pub(in crate::auth) async fn ask(
        &self,
        app: AppId,
        settings: &HttpAuthSettings,
        question: Question,
        clock: &Arc<dyn Clock>,
    ) -> Answer {
        let began = clock.now();
        if let Some(user) = self.yeses.get(&question.name, began.wall_ms) {
            return Answer::Yes(user);
        }
        let name = question.name;
        let within = Duration::from_millis(settings.timeout_ms.into()).min(self.time_max);
        let (agent, clock) = (Arc::clone(&self.agent), Arc::clone(clock));
        let metrics = Arc::clone(&self.metrics);
        let work = move || {
            let asked = clock.now();
            // The time runs while it waits: nobody is helped by an answer that comes too late.
            let left = within.saturating_sub(asked.mono.saturating_duration_since(began.mono));
            if left.is_zero() {
                return Answer::Unknown;
            }
            let answer = agent.ask(&question, left);
            metrics.stage_login_call.observe(clock.now().mono.saturating_duration_since(asked.mono));
            answer
        };
        let answer = match self.pool.run(app, work).await {
            Ok(answer) => answer,
            Err(NotDone::Full) => Answer::Busy,
            Err(NotDone::Gone) => Answer::Unknown,
        };
        if let Answer::Yes(user) = &answer
            && settings.cache_s > 0
        {
            let until_ms = began.wall_ms.saturating_add(u64::from(settings.cache_s) * 1_000);
            self.yeses.put(name, user, until_ms, began.wall_ms);
        }
        answer
    }
}
