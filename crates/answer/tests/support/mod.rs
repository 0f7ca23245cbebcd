//! Ports as test doubles, and a shard that is polled by hand: no runtime, no thread, no clock.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use halley_answer::{AnswerShard, AppRate, Config, Ports};
use halley_core::app::{App, AppSettings};
use halley_core::clock::{Clock, Now};
use halley_core::command::{InboundSend, ReplyTo, SendCommand, SendOutcome, Target};
use halley_core::group::{Group, GroupChange, GroupProfile, apply};
use halley_core::ids::{AppId, BucketId, ClientSeq, ConnId, GroupId, LogSeq, MsgId, NodeId, UserId};
use halley_core::key::{Epoch, SyncKey};
use halley_core::message::Content;
use halley_core::metrics::Metrics;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{Apps, Groups, Unknown, Users};
use halley_core::ports::bus::BusReader;
use halley_core::ports::dedup::{Dedup, DedupKey, Known};
use halley_core::ports::gateways::{Gateways, Pushed, Transient};
use halley_core::ports::journal::{AppendRefused, Journal};
use halley_core::ports::relations::{Directions, Pair, Relation, RelationKind, Relations};
use halley_core::record::Record;
use halley_core::reply::Reply;
use halley_core::session::{ConnAddr, KickReason, SessionInfo};
use halley_core::ticket::{Durability, DurableMark, JournalLost, Ticket};
use parking_lot::Mutex;

pub(crate) const APP: AppId = AppId(1);
pub(crate) const GROUP: GroupId = GroupId(3110);

/// A journal whose disk the test moves.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) records: Mutex<Vec<Arc<Record>>>,
    pub(crate) mark: DurableMark,
    pub(crate) refuse: Mutex<Option<AppendRefused>>,
    ready: Mutex<Vec<Waker>>,
}

impl Disk {
    /// Everything appended so far is durable.
    pub(crate) fn sync(&self) {
        let appended = self.records.lock().len() as u64;
        self.mark.advance(LogSeq(appended));
    }

    pub(crate) fn has_room_again(&self) {
        *self.refuse.lock() = None;
        self.ready.lock().drain(..).for_each(Waker::wake);
    }
}

struct Handle(Arc<Disk>);

impl Durability for Disk {
    fn poll_durable(&self, place: u64, context: &mut Context<'_>) -> Poll<Result<SyncKey, JournalLost>> {
        let reached = self.mark.poll_reached(LogSeq(place), context);
        reached.map(|reached| reached.map(|()| SyncKey::new(Epoch(0), place).expect("in bounds")))
    }
}

impl Journal for Handle {
    fn append(&self, record: &Arc<Record>) -> Result<Ticket, AppendRefused> {
        if let Some(refused) = *self.0.refuse.lock() {
            return Err(refused);
        }
        let mut records = self.0.records.lock();
        records.push(Arc::clone(record));
        Ok(Ticket::new(Arc::clone(&self.0) as Arc<dyn Durability>, records.len() as u64))
    }

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.0.refuse.lock().is_none() {
            return Poll::Ready(());
        }
        self.0.ready.lock().push(context.waker().clone());
        Poll::Pending
    }

    fn durable_end(&self) -> Result<SyncKey, JournalLost> {
        self.0.mark.get().map(|seq| SyncKey::new(Epoch(0), seq.0).unwrap_or_default())
    }
}

#[derive(Default)]
pub(crate) struct Outcomes(pub(crate) Mutex<Vec<(i32, SendOutcome)>>);

impl Gateways for Outcomes {
    fn reply(&self, to: ReplyTo, outcome: SendOutcome) -> bool {
        let ReplyTo::Connection(_, ClientSeq(seq)) = to else { panic!("tests send from connections") };
        self.0.lock().push((seq, outcome));
        true
    }

    fn kick(&self, _addr: ConnAddr, _reason: KickReason) -> bool {
        false
    }

    fn session(&self, _addr: ConnAddr) -> Reply<Option<SessionInfo>> {
        Reply::Ready(None)
    }

    fn push(&self, _addr: ConnAddr, _what: Transient) -> Reply<Pushed> {
        Reply::Ready(Pushed::Nobody)
    }

    fn broadcast(&self, _app: AppId, _what: Transient) -> Reply<usize> {
        Reply::Ready(0)
    }
}

#[derive(Default)]
pub(crate) struct KnownMessages(pub(crate) Mutex<HashMap<DedupKey, Known>>);

impl Dedup for KnownMessages {
    fn find(&self, key: DedupKey, _now_ms: u64) -> Reply<Result<Option<Known>, PortError>> {
        Reply::Ready(Ok(self.0.lock().get(&key).copied()))
    }
}

/// One group of 1, 2 and 3, owned by 1.
pub(crate) struct OneGroup(pub(crate) Mutex<Group>);

impl OneGroup {
    pub(crate) fn change(&self, change: &GroupChange) {
        let mut group = self.0.lock();
        *group = apply(APP, GROUP, Some(&*group), change, SyncKey::START, 0).expect("still there");
    }
}

impl Groups for OneGroup {
    fn group(&self, _app: AppId, id: GroupId) -> Reply<Result<Option<Arc<Group>>, PortError>> {
        Reply::Ready(Ok((id == GROUP).then(|| Arc::new(self.0.lock().clone()))))
    }

    fn groups_of(&self, _app: AppId, _user: UserId) -> Reply<Result<Vec<GroupId>, PortError>> {
        Reply::Ready(Ok(Vec::new()))
    }

    fn feeds_of(&self, _app: AppId, _user: UserId) -> Reply<Result<Vec<(GroupId, SyncKey)>, PortError>> {
        Reply::Ready(Ok(Vec::new()))
    }
}

/// `alice` is known, nobody else who is not decimal; while down, nobody is.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) is_down: AtomicBool,
}

pub(crate) const ALICE: UserId = UserId::ALIAS_FIRST;

impl Users for Names {
    fn number(&self, _app: AppId, name: &str, _unknown: Unknown) -> Reply<Result<Option<UserId>, PortError>> {
        if self.is_down.load(Ordering::Relaxed) {
            return Reply::Ready(Err(PortError::Unavailable { what: "accounts", why: "down".to_owned() }));
        }
        Reply::Ready(Ok((name == "alice").then_some(ALICE)))
    }

    fn name(&self, _app: AppId, user: UserId) -> Reply<Result<Option<Arc<str>>, PortError>> {
        Reply::Ready(Ok(Some(if user == ALICE { "alice".into() } else { user.to_string().into() })))
    }
}

/// The one app, and what its users have made of each other.
#[derive(Default)]
pub(crate) struct Society {
    pub(crate) settings: Mutex<AppSettings>,
    pub(crate) relations: Mutex<HashMap<Pair, Relation>>,
    pub(crate) is_down: AtomicBool,
}

impl Society {
    pub(crate) fn relate(&self, user: UserId, other: UserId, relation: Relation) {
        self.relations.lock().insert(Pair { app: APP, user, other }, relation);
    }
}

impl Apps for Society {
    fn by_name(&self, _name: &str) -> Reply<Result<Option<Arc<App>>, PortError>> {
        self.by_id(APP)
    }

    fn by_id(&self, id: AppId) -> Reply<Result<Option<Arc<App>>, PortError>> {
        let settings = self.settings.lock().clone();
        Reply::Ready(Ok((id == APP).then(|| Arc::new(App { id, name: "demo".into(), settings }))))
    }

    fn list(&self) -> Reply<Result<Vec<Arc<App>>, PortError>> {
        Reply::Ready(Ok(Vec::new()))
    }

    fn put(&self, _name: &str, _settings: AppSettings) -> Reply<Result<Arc<App>, PortError>> {
        panic!("answer changes no app")
    }
}

impl Relations for Society {
    fn relation(&self, pair: Pair) -> Reply<Result<Relation, PortError>> {
        if self.is_down.load(Ordering::Relaxed) {
            return Reply::Ready(Err(PortError::Unavailable { what: "accounts", why: "down".to_owned() }));
        }
        Reply::Ready(Ok(self.relations.lock().get(&pair).copied().unwrap_or_default()))
    }

    fn set_relation(
        &self,
        _pair: Pair,
        _kind: RelationKind,
        _directions: Directions,
        _is_set: bool,
    ) -> Reply<Result<(), PortError>> {
        panic!("answer changes no relation")
    }

    fn related(
        &self,
        _app: AppId,
        _user: UserId,
        _kind: RelationKind,
        _after: Option<UserId>,
        _max: usize,
    ) -> Reply<Result<Vec<UserId>, PortError>> {
        panic!("answer lists nobody")
    }

    fn is_forbidden(&self, _app: AppId, _user: UserId) -> Reply<Result<bool, PortError>> {
        panic!("that is about rooms")
    }

    fn set_forbidden(&self, _app: AppId, _user: UserId, _is: bool) -> Reply<Result<(), PortError>> {
        panic!("that is about rooms")
    }
}

#[derive(Clone)]
struct StillClock(Instant);

impl Clock for StillClock {
    fn now(&self) -> Now {
        Now { mono: self.0, wall_ms: 1_000 }
    }
}

#[derive(Default)]
pub(crate) struct Queue {
    sends: Mutex<VecDeque<InboundSend>>,
    is_closed: AtomicBool,
    next_id: AtomicI64,
}

struct QueueReader(Arc<Queue>);

impl BusReader for QueueReader {
    fn poll_batch(
        &mut self,
        into: &mut Vec<InboundSend>,
        max: usize,
        _context: &mut Context<'_>,
    ) -> Poll<bool> {
        let mut sends = self.0.sends.lock();
        let count = sends.len().min(max);
        into.extend(sends.drain(..count));
        if count > 0 {
            return Poll::Ready(true);
        }
        if self.0.is_closed.load(Ordering::Relaxed) { Poll::Ready(false) } else { Poll::Pending }
    }
}

/// A shard with its doubles.
pub(crate) struct Bench {
    pub(crate) disk: Arc<Disk>,
    pub(crate) outcomes: Arc<Outcomes>,
    pub(crate) known: Arc<KnownMessages>,
    pub(crate) group: Arc<OneGroup>,
    pub(crate) names: Arc<Names>,
    pub(crate) society: Arc<Society>,
    pub(crate) metrics: Arc<Metrics>,
    queue: Arc<Queue>,
    shard: Pin<Box<dyn Future<Output = ()>>>,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        let created =
            GroupChange::Created { profile: GroupProfile::default(), owner: 1, members: vec![2, 3] };
        let group = apply(APP, GROUP, None, &created, SyncKey::START, 0).expect("created");
        let (disk, queue) = (Arc::<Disk>::default(), Arc::<Queue>::default());
        let (outcomes, known, names) =
            (Arc::<Outcomes>::default(), Arc::<KnownMessages>::default(), Arc::<Names>::default());
        let group = Arc::new(OneGroup(Mutex::new(group)));
        let society = Arc::<Society>::default();
        let metrics = Metrics::new().0;
        let ports = Ports {
            journal: Arc::new(Handle(Arc::clone(&disk))),
            dedup: Arc::clone(&known) as Arc<dyn Dedup>,
            groups: Arc::clone(&group) as Arc<dyn Groups>,
            apps: Arc::clone(&society) as Arc<dyn Apps>,
            relations: Arc::clone(&society) as Arc<dyn Relations>,
            users: Arc::clone(&names) as Arc<dyn Users>,
            gateways: Arc::clone(&outcomes) as Arc<dyn Gateways>,
            clock: Arc::new(StillClock(Instant::now())),
            metrics: Arc::clone(&metrics),
        };
        let shard = AnswerShard::new(Box::new(QueueReader(Arc::clone(&queue))), ports, config);
        let app_rate = AppRate::new(config.app_messages_per_second, Instant::now()).map(Arc::new);
        let shard = shard.limited_by(app_rate);
        Self { disk, outcomes, known, group, names, society, metrics, queue, shard: Box::pin(shard.run()) }
    }

    /// Runs the shard until it waits; `true` when it has ended.
    pub(crate) fn turn(&mut self) -> bool {
        self.shard.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Queues a send and answers the id it carries.
    pub(crate) fn send(&self, frame: i32, from: UserId, target: Target, client_id: &'static str) -> MsgId {
        self.send_content(
            frame,
            from,
            target,
            client_id,
            Content { kind: 1, bytes: Bytes::from_static(b"\x0a\x02hi") },
        )
    }

    pub(crate) fn send_content(
        &self,
        frame: i32,
        from: UserId,
        target: Target,
        client_id: &'static str,
        content: Content,
    ) -> MsgId {
        let id = MsgId(self.queue.next_id.fetch_add(1, Ordering::Relaxed) + 1);
        let addr = ConnAddr { node: NodeId(0), bucket: BucketId(0), conn: ConnId(1) };
        let command = SendCommand {
            app: APP,
            from,
            target,
            content,
            ext: Bytes::new(),
            client_id: Bytes::from_static(client_id.as_bytes()),
            device: Bytes::new(),
            reply_to: ReplyTo::Connection(addr, ClientSeq(frame)),
        };
        let send = InboundSend { id, time_ms: 1_000, taken_at: Instant::now(), command };
        self.queue.sends.lock().push_back(send);
        id
    }

    pub(crate) fn close(&self) {
        self.queue.is_closed.store(true, Ordering::Relaxed);
    }

    /// What clients have been told since the last call.
    pub(crate) fn told(&self) -> Vec<(i32, SendOutcome)> {
        std::mem::take(&mut *self.outcomes.0.lock())
    }

    pub(crate) fn appended(&self) -> Vec<Arc<Record>> {
        self.disk.records.lock().clone()
    }
}

pub(crate) fn accepted(frame: i32, id: MsgId) -> (i32, SendOutcome) {
    (frame, SendOutcome::Accepted { id, time_ms: 1_000 })
}
