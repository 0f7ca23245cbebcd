//! Receipts: when the largest cursor of a reader's devices passes a private message, its sender is owed one (ruling 9).
//! Those of one reader to one sender gather for a moment and become one entry of the sender's inbox, through logic.
//!
//! **Invariant:** no cursor at or above a message is saved before the message's receipt is durable. So a crash repeats a
//! receipt, and never loses one. What waits is bounded: beyond [`OWED_MAX`] sessions get no room until it shrinks.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use halley_core::command::Receipt;
use halley_core::device::{DeviceCursor, DeviceKey};
use halley_core::ids::{AppId, MsgId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::{Conversation, EntryKind, Message};
use halley_core::ports::PortError;
use halley_core::reply::Reply;
use halley_core::timeline::TimelineId;

use super::core::Bucket;
use super::io::{Answer, Completed};
use super::session::Session;
use super::slots::Token;
use super::tick::Tick;

/// Messages whose receipts are not durable yet, per bucket.
pub(crate) const OWED_MAX: usize = 32_768;
/// Most messages in one receipt.
const IDS_MAX: usize = 1_000;
/// So long they gather.
const GATHER: Duration = Duration::from_millis(50);
/// Until one that could not be written is tried again.
const FAILED_DELAY: Duration = Duration::from_secs(1);
/// Cursors of sessions that ended meanwhile, per reader; what is beyond it lags.
const ENDED_MAX: usize = 64;

/// A message whose acknowledgement owes its sender a receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owed {
    pub(crate) key: SyncKey,
    pub(crate) sender: UserId,
    pub(crate) message: MsgId,
}

impl Owed {
    /// What `reader` will owe for this message of their inbox.
    pub(crate) fn of(message: &Message, key: SyncKey, reader: UserId) -> Option<Self> {
        let is_private = matches!(message.conversation, Conversation::User(_));
        let is_message = message.kind == EntryKind::MESSAGE;
        let is_of_other = message.from != reader && message.from != UserId::SYSTEM;
        (is_private && is_message && is_of_other).then_some(Self {
            key,
            sender: message.from,
            message: message.id,
        })
    }
}

/// The receipt of one reader to one sender.
struct Batch {
    app: AppId,
    reader: UserId,
    sender: UserId,
    ids: Vec<MsgId>,
}

/// A reader who owes some.
#[derive(Default)]
struct Reader {
    /// Their batches, each with its lowest message.
    batches: Vec<(u64, SyncKey)>,
    /// Cursors of sessions that have ended, to be saved when nothing is owed any more.
    ended: Vec<DeviceCursor>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Receipts {
    next: u64,
    batches: HashMap<u64, Batch>,
    /// The batches that still gather.
    open: HashMap<(AppId, UserId, UserId), u64>,
    /// When which is written; each queue ascends.
    due: VecDeque<(Tick, u64)>,
    again: VecDeque<(Tick, u64)>,
    readers: HashMap<(AppId, UserId), Reader>,
    count: usize,
}

impl Receipts {
    pub(crate) fn is_full(&self) -> bool {
        self.count >= OWED_MAX
    }

    /// Whether this reader owes some that are not durable.
    pub(crate) fn owes(&self, app: AppId, reader: UserId) -> bool {
        self.readers.get(&(app, reader)).is_some_and(|reader| !reader.batches.is_empty())
    }

    pub(crate) fn next_due(&self) -> Option<Tick> {
        [self.due.front(), self.again.front()].into_iter().flatten().map(|(due, _)| *due).min()
    }

    /// How far a device had come whose session has ended, while that may not be saved yet.
    pub(crate) fn ended(&self, app: AppId, reader: UserId, device: &DeviceKey) -> Option<&DeviceCursor> {
        let ended = self.readers.get(&(app, reader))?.ended.iter();
        ended.filter(|cursor| cursor.device == *device).max_by_key(|cursor| cursor.position)
    }

    /// The lowest message of which this reader owes a receipt.
    fn lowest(&self, app: AppId, reader: UserId) -> Option<SyncKey> {
        self.readers.get(&(app, reader))?.batches.iter().map(|(_, lowest)| *lowest).min()
    }

    fn add(&mut self, app: AppId, reader: UserId, owed: Owed, now: Tick) {
        let pair = (app, reader, owed.sender);
        let number = self.open.get(&pair).copied().unwrap_or_else(|| {
            self.next += 1;
            let batch = Batch { app, reader, sender: owed.sender, ids: Vec::new() };
            self.batches.insert(self.next, batch);
            self.open.insert(pair, self.next);
            self.due.push_back((now.after(GATHER), self.next));
            self.readers.entry((app, reader)).or_default().batches.push((self.next, owed.key));
            self.next
        });
        self.count += 1;
        if let Some(reader) = self.readers.get_mut(&(app, reader))
            && let Some(batch) = reader.batches.iter_mut().find(|batch| batch.0 == number)
        {
            batch.1 = batch.1.min(owed.key);
        }
        let Some(batch) = self.batches.get_mut(&number) else { return };
        batch.ids.push(owed.message);
        if batch.ids.len() >= IDS_MAX {
            self.open.remove(&pair);
        }
    }

    /// The next batch that is to be written.
    fn pop_due(&mut self, now: Tick) -> Option<u64> {
        let queue = [&mut self.due, &mut self.again]
            .into_iter()
            .find(|queue| queue.front().is_some_and(|(due, _)| *due <= now))?;
        let (_, number) = queue.pop_front()?;
        let batch = self.batches.get(&number)?;
        let pair = (batch.app, batch.reader, batch.sender);
        if self.open.get(&pair) == Some(&number) {
            self.open.remove(&pair);
        }
        Some(number)
    }

    /// Everything is written now.
    pub(crate) fn hurry(&mut self) {
        for (due, _) in self.due.iter_mut().chain(&mut self.again) {
            *due = Tick(0);
        }
    }
}

impl<S> Bucket<S> {
    /// The main cursor of a session has moved on from `before`, over messages that owe these.
    pub(crate) fn main_moved(&mut self, slot: u32, before: SyncKey, owed: &mut Vec<Owed>) {
        let Some(session) = self.conns.get(slot).and_then(|conn| conn.session()) else { return };
        let (app, user, acked, inbox) = (session.info.app, session.info.user, session.acked, session.inbox());
        let received = self.followers.mark(inbox);
        for owed in owed.drain(..).filter(|owed| owed.key > received) {
            self.receipts.add(app, user, owed, self.tick);
        }
        // A session that began ahead of all devices has not passed what is between.
        if before <= received {
            self.followers.raise_mark(inbox, acked);
        }
    }

    /// A session's cursor as it may be saved: below what is owed.
    pub(crate) fn cursor_to_save(&self, session: &Session) -> Option<DeviceCursor> {
        let mut cursor = session.cursor(self.now.wall_ms)?;
        if let Some(lowest) = self.receipts.lowest(cursor.app, cursor.user) {
            let below = SyncKey::from_raw(lowest.raw() - 1).unwrap_or(SyncKey::START);
            cursor.position = cursor.position.min(below);
        }
        Some(cursor)
    }

    /// A session with this cursor has ended: it is saved when nothing is owed any more.
    pub(crate) fn save_later(&mut self, cursor: DeviceCursor) {
        if let Some(reader) = self.receipts.readers.get_mut(&(cursor.app, cursor.user))
            && reader.ended.len() < ENDED_MAX
        {
            reader.ended.push(cursor);
        }
    }

    /// Writes the receipts that are due.
    pub(crate) fn write_receipts(&mut self) {
        while let Some(number) = self.receipts.pop_due(self.tick) {
            let Some(batch) = self.receipts.batches.get(&number) else { continue };
            let (app, reader, sender) = (batch.app, batch.reader, batch.sender);
            let receipt = Receipt { app, reader, sender, messages: batch.ids.clone() };
            match self.ports.logic.receipt(receipt, self.now) {
                Reply::Ready(result) => self.receipt_came(number, result),
                later => self.work.deferred.push(Box::pin(async move {
                    let answer = Answer::Receipt(number, later.await);
                    Completed { token: Token::NOBODY, answer }
                })),
            }
        }
    }

    /// A receipt is durable, or could not be written.
    pub(crate) fn receipt_came(&mut self, number: u64, result: Result<(), PortError>) {
        if let Err(error) = result {
            tracing::warn!(%error, "a receipt could not be written, trying again");
            self.receipts.again.push_back((self.tick.after(FAILED_DELAY), number));
            return;
        }
        let was_full = self.receipts.is_full();
        let Some(batch) = self.receipts.batches.remove(&number) else { return };
        self.receipts.count -= batch.ids.len();
        self.metrics().receipts.inc();
        let key = (batch.app, batch.reader);
        if let Some(reader) = self.receipts.readers.get_mut(&key) {
            reader.batches.retain(|(other, _)| *other != number);
            if reader.batches.is_empty() {
                let ended = std::mem::take(&mut reader.ended);
                self.receipts.readers.remove(&key);
                for cursor in ended {
                    self.ports.logic.cursor(cursor);
                }
            }
        }
        let mut slots = Vec::new();
        self.followers.of(TimelineId::Inbox(batch.app, batch.reader), &mut slots);
        for slot in slots {
            self.cursor_moved(slot);
        }
        if was_full && !self.receipts.is_full() {
            for slot in self.conns.taken() {
                self.queue_catch_up(slot);
            }
        }
    }
}
