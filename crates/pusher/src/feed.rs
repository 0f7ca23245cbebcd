//! The feed of a local journal: every bucket reads the tail at its own pace.

use std::sync::Arc;
use std::task::{Context, Poll};

use halley_core::ids::LogSeq;
use halley_core::key::SyncKey;
use halley_core::metrics::Metrics;
use halley_core::ports::feed::{Feed, FeedEvent, FeedReader};
use halley_core::tail::Tail;
use halley_core::ticket::Durability;
use halley_core::timeline::TimelineId;

/// [`Feed`] over the tail of the local log. A reader that falls behind what the tail keeps is told so; nothing is
/// queued for it.
pub struct TailFeed {
    tail: Arc<Tail>,
    journal: Arc<dyn Durability>,
    metrics: Arc<Metrics>,
}

impl TailFeed {
    /// A feed of this tail, which grows as this journal becomes durable.
    #[must_use]
    pub fn new(tail: Arc<Tail>, journal: Arc<dyn Durability>, metrics: Arc<Metrics>) -> Self {
        Self { tail, journal, metrics }
    }
}

impl Feed for TailFeed {
    fn subscribe(&self) -> Box<dyn FeedReader> {
        let (seq, key) = self.tail.last();
        let (tail, journal, metrics) =
            (Arc::clone(&self.tail), Arc::clone(&self.journal), Arc::clone(&self.metrics));
        Box::new(TailReader { tail, journal, metrics, seq, key })
    }
}

struct TailReader {
    tail: Arc<Tail>,
    journal: Arc<dyn Durability>,
    metrics: Arc<Metrics>,
    /// The record given last.
    seq: LogSeq,
    key: SyncKey,
}

impl FeedReader for TailReader {
    // Every reader of a local tail sees every record; attaching only answers where it stands.
    fn attach(&mut self, _timeline: TimelineId) -> SyncKey {
        self.key
    }

    fn detach(&mut self, _timeline: TimelineId) {}

    fn position(&self) -> SyncKey {
        self.key
    }

    fn poll_next(&mut self, max: usize, context: &mut Context<'_>) -> Poll<FeedEvent> {
        loop {
            let Some(records) = self.tail.read_after(self.seq, max) else {
                self.metrics.feed_breaks.inc();
                (self.seq, self.key) = self.tail.last();
                return Poll::Ready(FeedEvent::Broken(self.key));
            };
            if let Some(last) = records.last() {
                (self.seq, self.key) = (last.seq, last.entry.key);
                return Poll::Ready(FeedEvent::Entries(
                    records.into_iter().map(|record| record.entry).collect(),
                ));
            }
            match self.journal.poll_durable(self.seq.0 + 1, context) {
                Poll::Ready(Ok(_)) => {}
                // The process is about to end; there will be nothing more to give.
                Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use halley_core::tail::{TailLimits, tail_record};
    use halley_core::ticket::{DurableMark, JournalLost};

    use super::*;
    use crate::fresh::tests::{key, record};

    struct Marked(DurableMark);

    impl Durability for Marked {
        fn poll_durable(&self, place: u64, context: &mut Context<'_>) -> Poll<Result<SyncKey, JournalLost>> {
            self.0.poll_reached(LogSeq(place), context).map(|reached| reached.map(|()| key(place)))
        }
    }

    fn next(reader: &mut dyn FeedReader) -> Option<Vec<i64>> {
        match reader.poll_next(2, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(FeedEvent::Entries(entries)) => {
                Some(entries.iter().map(|entry| entry.key.raw()).collect())
            }
            Poll::Ready(FeedEvent::Broken(_)) => None,
            Poll::Pending => Some(Vec::new()),
        }
    }

    #[test]
    fn a_reader_is_given_everything_in_order_or_told_that_the_feed_broke() {
        let limits = TailLimits { keep_bytes: 0, bytes_max: 1 << 20 };
        let tail = Arc::new(Tail::new(limits, LogSeq(0), SyncKey::START));
        let journal = Arc::new(Marked(DurableMark::new(LogSeq(0))));
        let feed = TailFeed::new(Arc::clone(&tail), Arc::clone(&journal) as _, Metrics::new().0);
        let mut reader = feed.subscribe();
        assert_eq!(next(&mut *reader), Some(vec![]));
        for place in 1..=3 {
            tail.publish([tail_record(LogSeq(place), 0, key(place), record(&[7]))]);
            journal.0.advance(LogSeq(place));
        }
        assert_eq!(next(&mut *reader), Some(vec![1, 2]));
        assert_eq!(next(&mut *reader), Some(vec![3]));
        assert_eq!(next(&mut *reader), Some(vec![]));
        for place in 4..=5 {
            tail.publish([tail_record(LogSeq(place), 0, key(place), record(&[7]))]);
            journal.0.advance(LogSeq(place));
        }
        tail.release(LogSeq(4));
        assert_eq!(next(&mut *reader), None, "4 was dropped before this reader had it");
        assert_eq!(reader.position(), key(5));
        assert_eq!(next(&mut *reader), Some(vec![]));
    }
}
