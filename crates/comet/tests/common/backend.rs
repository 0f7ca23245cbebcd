//! Logic, answer, journal, timelines and accounts in one, in memory: just enough for a gateway to be true to.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use halley_core::app::{App, AppSettings};
use halley_core::clock::Now;
use halley_core::command::{
    ConnectRefused, ConnectRequest, Connected, Receipt, ReplyTo, SendCommand, SendOutcome, Target,
};
use halley_core::device::{DeviceCursor, Start};
use halley_core::group::{CHANGE_OF_SUPER, Group, GroupChange, SILENT, apply};
use halley_core::ids::{AppId, GroupId, MsgId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::ports::PortError;
use halley_core::ports::accounts::{Unknown, Users};
use halley_core::ports::feed::{Feed, FeedEvent, FeedReader};
use halley_core::ports::gateways::Gateways;
use halley_core::ports::logic::{Logic, SendRefused};
use halley_core::ports::timelines::{Page, TimelineRange, Timelines};
use halley_core::record::{Entry, Record, Targets};
use halley_core::reply::Reply;
use halley_core::session::SessionInfo;
use halley_core::timeline::TimelineId;
use tokio::sync::oneshot;

pub(crate) const APP: AppId = AppId(1);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) log: Vec<Entry>,
    pub(crate) inbound: VecDeque<SendCommand>,
    /// Sends the bus takes before it is full.
    pub(crate) inbound_max: usize,
    pub(crate) closed: bool,
    pub(crate) cursors: HashMap<(UserId, String), Start>,
    pub(crate) cursor_saves: Vec<DeviceCursor>,
    pub(crate) online: Vec<SessionInfo>,
    pub(crate) offline: Vec<(SessionInfo, Option<DeviceCursor>)>,
    pub(crate) names: HashMap<UserId, Arc<str>>,
    pub(crate) reads: Vec<TimelineRange>,
    /// As of the end of the log.
    pub(crate) groups: BTreeMap<GroupId, Group>,
    /// Which feeds a user follows was asked for as of these places.
    pub(crate) feeds_asked: Vec<(UserId, SyncKey)>,
    /// What was written; not appended to the log, so that tests see what they count.
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) failing_receipts: usize,
    /// Reads that fail before one succeeds.
    pub(crate) failing_reads: usize,
    /// The same of the question which feeds a user follows.
    pub(crate) failing_feeds: usize,
    /// Answers of ports wait here while it is `Some`.
    pub(crate) gate: Option<Vec<oneshot::Sender<()>>>,
    breaks: u64,
    wakers: Vec<Waker>,
}

#[derive(Clone, Default)]
pub(crate) struct Backend {
    state: Arc<Mutex<State>>,
    /// Where sends are answered at once, instead of when the test says.
    direct: Arc<OnceLock<Arc<dyn Gateways>>>,
}

impl Backend {
    pub(crate) fn new() -> Self {
        let backend = Self::default();
        backend.lock().inbound_max = usize::MAX;
        backend
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds this")
    }

    /// Appends an entry to these inboxes, and to a group's feed.
    pub(crate) fn append(&self, message: Message, inboxes: &[i64], feed: Option<GroupId>) -> SyncKey {
        let mut state = self.lock();
        let key = key(state.log.len() + 1);
        let targets = Targets::new(inboxes.iter().map(|user| UserId(*user)).collect(), feed);
        let record = Arc::new(Record { message, targets });
        state.log.push(Entry { key, record });
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        key
    }

    /// A private message from 1 into one inbox.
    pub(crate) fn deliver(&self, to: i64, text: &str) -> SyncKey {
        let id = key(self.lock().log.len() + 1_000).raw();
        let content = Content { kind: 1, bytes: Bytes::copy_from_slice(text.as_bytes()) };
        self.append(message(id, 1, Conversation::User(UserId(to)), content), &[to], None)
    }

    /// A message into the feed of a super group.
    pub(crate) fn deliver_to_feed(&self, group: i64, text: &str) -> SyncKey {
        self.deliver_to_group(group, &[], text)
    }

    /// A message into the feed of a group, and these inboxes.
    pub(crate) fn deliver_to_group(&self, group: i64, inboxes: &[i64], text: &str) -> SyncKey {
        let id = key(self.lock().log.len() + 1_000).raw();
        let content = Content { kind: 1, bytes: Bytes::copy_from_slice(text.as_bytes()) };
        let message = message(id, 1, Conversation::Group(GroupId(group)), content);
        self.append(message, inboxes, Some(GroupId(group)))
    }

    /// A group changes; the change stands in these inboxes.
    pub(crate) fn change_group(&self, group: i64, inboxes: &[i64], change: &GroupChange) -> SyncKey {
        let mut state = self.lock();
        let (id, at) = (GroupId(group), key(state.log.len() + 1));
        let before = state.groups.remove(&id);
        let mut is_super = before.as_ref().is_some_and(|group| group.profile.is_super);
        if let Some(after) = apply(APP, id, before.as_ref(), change, at, 5) {
            is_super |= after.profile.is_super;
            state.groups.insert(id, after);
        }
        drop(state);
        let bytes = serde_json::to_vec(change).expect("serialises").into();
        let content = Content { kind: if is_super { CHANGE_OF_SUPER } else { SILENT }, bytes };
        let mut message = message(at.raw() + 1_000, 0, Conversation::Group(id), content);
        message.kind = EntryKind::GROUP_CHANGE;
        self.append(message, inboxes, None)
    }

    /// Decides everything on the bus: all is accepted.
    pub(crate) fn answer(&self, mut reply: impl FnMut(ReplyTo, SendOutcome)) {
        while let Some(command) = { self.lock().inbound.pop_front() } {
            let id = MsgId(key(self.lock().log.len() + 1_000).raw());
            let (conversation, other) = match command.target {
                Target::User(user) => (Conversation::User(user), user.0),
                Target::Group(group) => (Conversation::Group(group), 0),
                Target::UserNamed(_) | Target::NoGroup => (Conversation::System, 0),
            };
            let mut message = message(id.0, command.from.0, conversation, command.content);
            message.client_id = command.client_id;
            message.ext = command.ext;
            let inboxes = [command.from.0, other];
            self.append(message, &inboxes, None);
            reply(command.reply_to, SendOutcome::Accepted { id, time_ms: 5 });
        }
    }

    /// From now on sends are answered at once, through this.
    pub(crate) fn answer_through(&self, gateways: Arc<dyn Gateways>) {
        assert!(self.direct.set(gateways).is_ok(), "set once");
    }

    /// The feed's epoch changes: every reader skips to the end.
    pub(crate) fn break_feed(&self) {
        self.lock().breaks += 1;
    }

    /// Lets everything that waits at the gate through; the gate stays.
    pub(crate) fn release(&self) {
        let waiting = self.lock().gate.as_mut().map(std::mem::take);
        for waiter in waiting.into_iter().flatten() {
            let _ = waiter.send(());
        }
    }

    fn gated<T: Send + 'static>(&self, answer: impl FnOnce(&Self) -> T + Send + 'static) -> Reply<T> {
        let mut state = self.lock();
        let Some(gate) = &mut state.gate else {
            drop(state);
            return Reply::Ready(answer(self));
        };
        let (open, opened) = oneshot::channel();
        gate.push(open);
        let backend = self.clone();
        Reply::later(async move {
            let _ = opened.await;
            answer(&backend)
        })
    }
}

/// The key of the n-th entry.
fn key(place: usize) -> SyncKey {
    SyncKey::from_raw(i64::try_from(place).expect("is small")).expect("is positive")
}

pub(crate) fn message(id: i64, from: i64, conversation: Conversation, content: Content) -> Message {
    Message {
        id: MsgId(id),
        app: APP,
        conversation,
        from: UserId(from),
        kind: EntryKind::MESSAGE,
        content,
        ext: Bytes::new(),
        client_id: Bytes::new(),
        time_ms: 5,
        device: Bytes::new(),
    }
}

impl Logic for Backend {
    fn connect(&self, request: ConnectRequest, now: Now) -> Reply<Result<Connected, ConnectRefused>> {
        self.gated(move |backend| {
            let user = UserId(request.token.parse().map_err(|_| ConnectRefused::InvalidToken)?);
            let state = backend.lock();
            let start = match &request.device {
                None => Start::at(key(state.log.len())),
                Some(device) => {
                    let known = state.cursors.get(&(user, device.key.0.to_string()));
                    known.cloned().unwrap_or_default()
                }
            };
            let received = state.cursors.iter().filter(|((of, _), _)| *of == user);
            let received = received.map(|(_, start)| start.position).max().unwrap_or_default();
            Ok(Connected {
                received,
                app: Arc::new(App { id: APP, name: "demo".into(), settings: AppSettings::default() }),
                user,
                user_name: user.to_string().into(),
                start,
                since_ms: now.wall_ms,
            })
        })
    }

    fn online(&self, session: SessionInfo) {
        self.lock().online.push(session);
    }

    fn offline(&self, session: &SessionInfo, cursor: Option<DeviceCursor>) {
        if let Some(cursor) = &cursor {
            self.cursor(cursor.clone());
            self.lock().cursor_saves.pop();
        }
        self.lock().offline.push((session.clone(), cursor));
    }

    fn cursor(&self, cursor: DeviceCursor) {
        let mut state = self.lock();
        let device = (cursor.user, cursor.device.0.to_string());
        state.cursors.insert(device, Start::from(&cursor));
        state.cursor_saves.push(cursor);
    }

    fn feeds(
        &self,
        _: AppId,
        user: UserId,
        at_least: SyncKey,
    ) -> Reply<Result<Vec<(GroupId, SyncKey)>, PortError>> {
        self.lock().feeds_asked.push((user, at_least));
        self.gated(move |backend| {
            let mut state = backend.lock();
            if state.failing_feeds > 0 {
                state.failing_feeds -= 1;
                return Err(PortError::Unavailable { what: "groups", why: "test".into() });
            }
            let supers = state.groups.values().filter(|group| group.profile.is_super);
            Ok(supers.filter_map(|group| Some((group.id, group.member(user)?.joined))).collect())
        })
    }

    fn receipt(&self, receipt: Receipt, _now: Now) -> Reply<Result<(), PortError>> {
        self.gated(move |backend| {
            let mut state = backend.lock();
            if state.failing_receipts > 0 {
                state.failing_receipts -= 1;
                return Err(PortError::Unavailable { what: "journal", why: "test".into() });
            }
            state.receipts.push(receipt);
            Ok(())
        })
    }

    fn send(&self, command: SendCommand, _now: Now) -> Result<(), SendRefused> {
        let mut state = self.lock();
        if state.closed {
            return Err(SendRefused::Closed);
        }
        if state.inbound.len() >= state.inbound_max {
            return Err(SendRefused::Full(Box::new(command)));
        }
        state.inbound.push_back(command);
        drop(state);
        if let Some(gateways) = self.direct.get() {
            self.answer(|to, outcome| {
                gateways.reply(to, outcome);
            });
        }
        Ok(())
    }
}

impl Users for Backend {
    fn number(&self, _: AppId, name: &str, _: Unknown) -> Reply<Result<Option<UserId>, PortError>> {
        Reply::Ready(Ok(UserId::from_decimal(name)))
    }

    fn name(&self, _: AppId, user: UserId) -> Reply<Result<Option<Arc<str>>, PortError>> {
        self.gated(move |backend| Ok(backend.lock().names.get(&user).cloned()))
    }
}

impl Timelines for Backend {
    fn read(&self, range: TimelineRange) -> Reply<Result<Page, PortError>> {
        self.lock().reads.push(range);
        self.gated(move |backend| {
            let mut state = backend.lock();
            if state.failing_reads > 0 {
                state.failing_reads -= 1;
                return Err(PortError::Unavailable { what: "index", why: "test".into() });
            }
            let wanted = |entry: &&Entry| {
                entry.key > range.from && entry.record.timelines().any(|timeline| timeline == range.timeline)
            };
            let entries: Vec<Entry> =
                state.log.iter().filter(wanted).take(range.entries_max).cloned().collect();
            let more = entries.len() == range.entries_max;
            let end = key(state.log.len());
            let complete_to = match entries.last() {
                Some(last) if more => last.key,
                _ => end,
            };
            Ok(Page { entries, complete_to, more })
        })
    }

    fn head(&self, _: TimelineId) -> Reply<Result<SyncKey, PortError>> {
        Reply::Ready(Ok(key(self.lock().log.len())))
    }
}

impl Feed for Backend {
    fn subscribe(&self) -> Box<dyn FeedReader> {
        let state = self.lock();
        Box::new(Reader {
            at: state.log.len(),
            breaks: state.breaks,
            attached: HashSet::new(),
            backend: self.clone(),
        })
    }
}

struct Reader {
    backend: Backend,
    at: usize,
    breaks: u64,
    /// Only entries of these come, so that a missing attach shows.
    attached: HashSet<TimelineId>,
}

impl FeedReader for Reader {
    fn attach(&mut self, timeline: TimelineId) -> SyncKey {
        assert!(self.attached.insert(timeline), "attached once per timeline");
        self.position()
    }

    fn detach(&mut self, timeline: TimelineId) {
        assert!(self.attached.remove(&timeline), "only what was attached is detached");
    }

    fn position(&self) -> SyncKey {
        key(self.at)
    }

    fn poll_next(&mut self, max: usize, context: &mut Context<'_>) -> Poll<FeedEvent> {
        let backend = self.backend.clone();
        let mut state = backend.lock();
        if self.breaks != state.breaks {
            self.breaks = state.breaks;
            self.at = state.log.len();
            self.attached.clear();
            return Poll::Ready(FeedEvent::Broken(self.position()));
        }
        if self.at == state.log.len() {
            if !state.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                state.wakers.push(context.waker().clone());
            }
            return Poll::Pending;
        }
        let end = state.log.len().min(self.at + max);
        let new = &state.log[self.at..end];
        let entries =
            new.iter().filter(|entry| entry.record.timelines().any(|id| self.attached.contains(&id)));
        let entries = entries.cloned().collect();
        self.at = end;
        Poll::Ready(FeedEvent::Entries(entries))
    }
}
