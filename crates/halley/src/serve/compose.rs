//! Which implementation stands behind which port: the embedded server.
//!
//! The whole-server tests compose the same roles over simulated files and sockets through this very function.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use halley_answer::{AnswerShard, AppRate};
use halley_backends::Embedded;
use halley_backends::memory::{MemoryBus, MemoryDirectory};
use halley_comet::{BucketSeat, Gateway, GatewayParts};
use halley_core::clock::Clock;
use halley_core::ids::NodeId;
use halley_core::metrics::Metrics;
use halley_core::msg_id::MsgIdGenerator;
use halley_core::ports::accounts::GroupProgress;
use halley_core::ports::dedup::Dedup;
use halley_core::ports::feed::Feed;
use halley_core::ports::floors::Floors;
use halley_core::ports::gateways::Gateways;
use halley_core::ports::timelines::{MessageLookup, Timelines};
use halley_logic::{
    Announcer, Authenticator, BusinessMessages, Calls, EntryPorts, EntryWriter, GroupWriter, LogicService,
    RevocationPorts, RevocationWriter, Threads,
};
use halley_pusher::{FlooredMessages, FlooredTimelines, FreshTimelines, TailFeed};
use halley_store::{DerivedDedup, GroupApplier, Materializer, Retention, RetentionConfig, RetentionPorts};

/// The all-in-one process is node 0.
pub(super) const NODE: NodeId = NodeId(0);
/// Sends that may wait in one partition of the bus; beyond it their connections are not read.
const BUS_PARTITION_MAX: usize = 8_192;

/// The joined roles; `S` is what a socket is.
pub struct Roles<S> {
    /// Reaches the connections.
    pub gateway: Gateway<S>,
    /// One seat a bucket, to be run with `comet_ports`.
    pub seats: Vec<BucketSeat<S>>,
    /// What a bucket needs.
    pub comet_ports: halley_comet::Ports,
    /// One answer shard a bucket, in the order of the seats; to be run on the same thread.
    pub shards: Vec<AnswerShard>,
    /// The inbound bus; closing it lets the shards end.
    pub bus: Arc<MemoryBus>,
    /// Follows the journal; to be run on a thread of its own, or by steps.
    pub materializer: Materializer,
    /// Raises floors; to be run on a thread of its own, or by steps.
    pub retention: Retention,
    /// Who is online.
    pub directory: Arc<MemoryDirectory>,
    /// Fresh reads.
    pub timelines: Arc<dyn Timelines>,
    /// Messages by id.
    pub message_lookup: Arc<dyn MessageLookup>,
    /// Sends of business servers.
    pub messages: Arc<BusinessMessages>,
    /// Entries of business servers.
    pub entries: Arc<EntryWriter>,
    /// Announcements.
    pub announcer: Arc<Announcer>,
    /// Group changes.
    pub group_writer: Arc<GroupWriter>,
    /// Revocations.
    pub revocations: Arc<RevocationWriter>,
}

/// Joins the roles over this store.
///
/// # Errors
/// When the configuration of a role cannot work.
pub fn compose<S: Send + 'static>(
    store: &Embedded,
    comet: halley_comet::Config,
    answer: halley_answer::Config,
    buckets: u16,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<Roles<S>> {
    // What comes later than the handshake may take helps nobody.
    let auth = Authenticator::new(Threads::default(), comet.handshake_timeout, metrics);
    let ids = Arc::new(MsgIdGenerator::new(NODE, store.recovery.newest_id));
    let calls = Arc::new(Calls::default());
    let completed = Arc::clone(&calls);
    let (gateway, seats) = Gateway::new(GatewayParts {
        config: comet,
        node: NODE,
        buckets,
        metrics: Arc::clone(metrics),
        clock: Arc::clone(clock),
        calls: Arc::new(move |call, outcome| completed.complete(call, outcome)),
    })
    .context("configure the gateway")?;

    let fresh = Arc::new(FreshTimelines::new(Arc::clone(&store.tail), Arc::clone(&store.index)));
    let floors: Arc<dyn Floors> = Arc::clone(&store.state) as _;
    let message_lookup: Arc<dyn MessageLookup> =
        Arc::new(FlooredMessages::new(Arc::clone(&fresh) as _, Arc::clone(&floors)));
    let timelines: Arc<dyn Timelines> =
        Arc::new(FlooredTimelines::new(fresh, Arc::clone(&floors), Arc::clone(metrics)));
    let feed: Arc<dyn Feed> = Arc::new(TailFeed::new(
        Arc::clone(&store.tail),
        Arc::clone(&store.journal) as _,
        Arc::clone(metrics),
    ));
    let applier = Arc::new(GroupApplier::new(Arc::clone(&store.tail), Arc::clone(&store.state) as _));
    let materializer = Materializer::new(
        halley_store::Config::default(),
        Arc::clone(&store.tail),
        Arc::clone(&store.index),
        Arc::clone(&applier),
        Arc::clone(metrics),
    );
    let retention = retention(store, floors, &materializer, clock, metrics);
    let directory = Arc::new(MemoryDirectory::default());
    let (bus, readers) = MemoryBus::new(buckets, BUS_PARTITION_MAX);
    let bus = Arc::new(bus);

    let logic = LogicService::new(halley_logic::Ports {
        apps: Arc::clone(&store.state) as _,
        users: Arc::clone(&store.state) as _,
        tokens: Arc::clone(&store.state) as _,
        groups: Arc::clone(&store.state) as _,
        progress: Arc::clone(&applier) as _,
        journal: Arc::clone(&store.journal) as _,
        cursors: Arc::clone(&store.state) as _,
        devices: Arc::clone(&store.state) as _,
        timelines: Arc::clone(&timelines),
        directory: Arc::clone(&directory) as _,
        gateways: Arc::new(gateway.clone()),
        bus: Arc::clone(&bus) as _,
        auth,
        clock: Arc::clone(clock),
        ids: Arc::clone(&ids),
        metrics: Arc::clone(metrics),
        buckets,
    });
    let dedup: Arc<dyn Dedup> =
        Arc::new(DerivedDedup::new(Arc::clone(&store.tail), Arc::clone(&store.index)));
    let entries = entries(store, Arc::clone(&dedup), &ids, clock, metrics);
    let gateways: Arc<dyn Gateways> = Arc::new(gateway.clone());
    let announcer = Announcer::new(Arc::clone(&gateways), Arc::clone(&ids), Arc::clone(clock));
    let answer_ports = answer_ports(store, dedup, gateways, clock, metrics);
    let app_rate = AppRate::new(answer.app_messages_per_second, clock.now().mono).map(Arc::new);
    let shards = readers
        .into_iter()
        .map(|reader| {
            AnswerShard::new(Box::new(reader), answer_ports.clone(), answer).limited_by(app_rate.clone())
        })
        .collect();
    let revocations = revocations(store, &message_lookup, &ids, clock);
    let group_writer = GroupWriter::new(
        Arc::clone(&store.state) as _,
        applier as Arc<dyn GroupProgress>,
        Arc::clone(&store.journal) as _,
        ids,
        Arc::clone(clock),
    );
    let comet_ports = halley_comet::Ports {
        logic: Arc::new(logic.clone()),
        feed,
        timelines: Arc::clone(&timelines),
        users: Arc::clone(&store.state) as _,
        clock: Arc::clone(clock),
    };
    Ok(Roles {
        gateway,
        seats,
        comet_ports,
        shards,
        bus,
        materializer,
        retention,
        directory,
        timelines,
        message_lookup,
        revocations: Arc::new(revocations),
        messages: Arc::new(BusinessMessages::new(logic, calls, Arc::clone(clock), NODE)),
        entries: Arc::new(entries),
        announcer: Arc::new(announcer),
        group_writer: Arc::new(group_writer),
    })
}

fn retention(
    store: &Embedded,
    floors: Arc<dyn Floors>,
    materializer: &Materializer,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Retention {
    let ports = RetentionPorts {
        apps: Arc::clone(&store.state) as _,
        floors,
        catalog: Arc::clone(&store.catalog),
        past: Arc::clone(&store.past),
        clock: Arc::clone(clock),
        metrics: Arc::clone(metrics),
    };
    Retention::new(RetentionConfig::default(), ports, materializer.grown())
}

fn revocations(
    store: &Embedded,
    messages: &Arc<dyn MessageLookup>,
    ids: &Arc<MsgIdGenerator>,
    clock: &Arc<dyn Clock>,
) -> RevocationWriter {
    RevocationWriter::new(RevocationPorts {
        messages: Arc::clone(messages),
        apps: Arc::clone(&store.state) as _,
        groups: Arc::clone(&store.state) as _,
        journal: Arc::clone(&store.journal) as _,
        ids: Arc::clone(ids),
        clock: Arc::clone(clock),
    })
}

fn answer_ports(
    store: &Embedded,
    dedup: Arc<dyn Dedup>,
    gateways: Arc<dyn Gateways>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> halley_answer::Ports {
    halley_answer::Ports {
        journal: Arc::clone(&store.journal) as _,
        dedup,
        groups: Arc::clone(&store.state) as _,
        apps: Arc::clone(&store.state) as _,
        relations: Arc::clone(&store.state) as _,
        users: Arc::clone(&store.state) as _,
        gateways,
        clock: Arc::clone(clock),
        metrics: Arc::clone(metrics),
    }
}

fn entries(
    store: &Embedded,
    dedup: Arc<dyn Dedup>,
    ids: &Arc<MsgIdGenerator>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> EntryWriter {
    EntryWriter::new(EntryPorts {
        groups: Arc::clone(&store.state) as _,
        users: Arc::clone(&store.state) as _,
        dedup,
        journal: Arc::clone(&store.journal) as _,
        ids: Arc::clone(ids),
        clock: Arc::clone(clock),
        metrics: Arc::clone(metrics),
    })
}
