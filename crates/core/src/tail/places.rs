//! Which records of the tail stand in which timeline.
//!
//! A record is noted in each of its timelines. One for very many (a message to a large group) is kept in a list of its own
//! instead, and whoever reads a timeline asks each in that list: to note thousands of places, and to forget them again, took
//! the commit and the indexer a millisecond each, during which nobody else got at the tail.
//!
//! **Invariant:** records are added in ascending sequence and removed in the same order.

use std::cmp::Ordering;
use std::collections::hash_map::{Entry, HashMap};
use std::collections::vec_deque::VecDeque;
use std::iter::{Peekable, from_fn};
use std::sync::Arc;

use crate::ids::LogSeq;
use crate::record::Record;
use crate::timeline::TimelineId;

/// A record in so many inboxes is one for very many.
const WIDE_MIN: usize = 256;
/// More of them than this are noted like the others: asking one takes up to half a microsecond.
const WIDE_MAX: usize = 128;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Places {
    timelines: HashMap<TimelineId, VecDeque<LogSeq>>,
    wide: VecDeque<(LogSeq, Arc<Record>)>,
}

impl Places {
    /// Notes the newest record.
    pub(super) fn add(&mut self, seq: LogSeq, record: &Arc<Record>) {
        if record.targets.inboxes().len() >= WIDE_MIN && self.wide.len() < WIDE_MAX {
            self.wide.push_back((seq, Arc::clone(record)));
            return;
        }
        for timeline in record.timelines() {
            self.timelines.entry(timeline).or_default().push_back(seq);
        }
    }

    /// Forgets the oldest record. Answers how many places that were.
    pub(super) fn remove(&mut self, seq: LogSeq, record: &Record) -> usize {
        if self.wide.pop_front_if(|(oldest, _)| *oldest == seq).is_some() {
            return 1;
        }
        let mut places = 0;
        for timeline in record.timelines() {
            self.remove_from(timeline, seq);
            places += 1;
        }
        places
    }

    fn remove_from(&mut self, timeline: TimelineId, seq: LogSeq) {
        let Entry::Occupied(mut places) = self.timelines.entry(timeline) else {
            return;
        };
        places.get_mut().pop_front_if(|oldest| *oldest == seq);
        if places.get().is_empty() {
            places.remove();
        }
    }

    /// The records of a timeline above `after`, ascending.
    pub(super) fn ascending(&self, timeline: TimelineId, after: LogSeq) -> impl Iterator<Item = LogSeq> {
        let noted = self.timelines.get(&timeline).map(|places| {
            let start = places.partition_point(|seq| *seq <= after);
            places.range(start..).copied()
        });
        let start = self.wide.partition_point(|(seq, _)| *seq <= after);
        let wide = self.wide.range(start..).filter(move |(_, record)| record.is_in(timeline));
        merge(noted.into_iter().flatten(), wide.map(|(seq, _)| *seq), Ordering::Less)
    }

    /// The records of a timeline below `before`, descending.
    pub(super) fn descending(&self, timeline: TimelineId, before: LogSeq) -> impl Iterator<Item = LogSeq> {
        let noted = self.timelines.get(&timeline).map(|places| {
            let end = places.partition_point(|seq| *seq < before);
            places.range(..end).rev().copied()
        });
        let end = self.wide.partition_point(|(seq, _)| *seq < before);
        let wide = self.wide.range(..end).rev().filter(move |(_, record)| record.is_in(timeline));
        merge(noted.into_iter().flatten(), wide.map(|(seq, _)| *seq), Ordering::Greater)
    }

    /// Gives memory back.
    pub(super) fn shrink(&mut self) {
        self.timelines.shrink_to_fit();
        self.wide.shrink_to_fit();
    }
}

/// Joins two sorted iterators without common items; the item that compares as `first` with the other one's goes first.
fn merge<T: Ord>(
    one: impl Iterator<Item = T>,
    other: impl Iterator<Item = T>,
    first: Ordering,
) -> impl Iterator<Item = T> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    from_fn(move || next_of(&mut one, &mut other, first))
}

fn next_of<T: Ord>(
    one: &mut Peekable<impl Iterator<Item = T>>,
    other: &mut Peekable<impl Iterator<Item = T>>,
    first: Ordering,
) -> Option<T> {
    match (one.peek(), other.peek()) {
        (Some(a), Some(b)) if a.cmp(b) != first => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    }
}
