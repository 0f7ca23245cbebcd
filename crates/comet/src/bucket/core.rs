//! The bucket itself: what it holds.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use halley_core::clock::Now;
use halley_core::ids::BucketId;
use halley_core::metrics::Metrics;

use super::conn::Conn;
use super::drain::Drain;
use super::followers::Followers;
use super::following::Following;
use super::intake::Intake;
use super::io::Deferred;
use super::outbox::Buffers;
use super::receipts::{Owed, Receipts};
use super::render::Renderer;
use super::slots::{Slots, Token};
use super::tick::Tick;
use super::wheel::Wheel;
use crate::config::Config;
use crate::gateway::Shared;
use crate::ports::Ports;

/// See the module. `S` is a socket: a descriptor, or a simulated one; dropping it closes it.
pub struct Bucket<S> {
    pub(crate) id: BucketId,
    pub(crate) shared: Arc<Shared<S>>,
    pub(crate) ports: Ports,
    pub(crate) intake: Intake,
    pub(crate) start: Instant,
    /// The time of this turn; `tick` is the same in milliseconds.
    pub(crate) now: Now,
    pub(crate) tick: Tick,
    pub(crate) conns: Slots<Conn<S>>,
    pub(crate) followers: Followers,
    pub(crate) following: Following,
    pub(crate) receipts: Receipts,
    pub(crate) wheel: Wheel,
    pub(crate) renderer: Renderer,
    pub(crate) buffers: Buffers,
    /// What reads go into; a connection keeps only what is incomplete.
    pub(crate) read_buffer: Box<[u8]>,
    /// What encrypted bytes become.
    pub(crate) plain_buffer: Vec<u8>,
    pub(crate) work: Work<S>,
    pub(crate) drain: Option<Drain>,
}

/// What is to be done in this turn or the next ones. A connection stands in each list at most once.
pub(crate) struct Work<S> {
    /// To be watched for readiness.
    pub(crate) unregistered: Vec<Token>,
    /// Sockets that may have bytes, of connections that owe no confirmation: they ask for something.
    pub(crate) asking: VecDeque<Token>,
    /// Sockets that may have bytes, most of them confirmations.
    pub(crate) confirming: VecDeque<Token>,
    /// Connections whose send found the bus full.
    pub(crate) held: VecDeque<Token>,
    /// Sessions that should read their timeline.
    pub(crate) behind: VecDeque<Token>,
    /// Connections on their way to another bucket.
    pub(crate) moving: Vec<Token>,
    /// Connections with bytes to write, or to be closed.
    pub(crate) dirty: VecDeque<Token>,
    /// Connections with an answer to write: before the others.
    pub(crate) urgent: Vec<Token>,
    /// Last words of TLS connections that have ended, each to be written once before its socket is dropped.
    pub(crate) farewells: Vec<(S, Vec<u8>)>,
    /// Port calls for the driver to wait for.
    pub(crate) deferred: Vec<Deferred>,
    /// When held sends and hand-overs are tried again.
    pub(crate) retry_at: Option<Tick>,
    /// Entries of the feed were shown in this turn.
    pub(crate) shown: bool,
    /// Decision times of the answers of this turn.
    pub(crate) answered: Vec<Instant>,
    /// Scratch: what acknowledgements owe.
    pub(crate) owed: Vec<Owed>,
    /// Scratch: followers of a timeline; timers that fired.
    pub(crate) slots: Vec<u32>,
}

impl<S> Default for Work<S> {
    fn default() -> Self {
        Self {
            unregistered: Vec::new(),
            asking: VecDeque::new(),
            confirming: VecDeque::new(),
            held: VecDeque::new(),
            behind: VecDeque::new(),
            moving: Vec::new(),
            dirty: VecDeque::new(),
            urgent: Vec::new(),
            farewells: Vec::new(),
            deferred: Vec::new(),
            retry_at: None,
            shown: false,
            answered: Vec::new(),
            owed: Vec::new(),
            slots: Vec::new(),
        }
    }
}

impl<S> Bucket<S> {
    pub(crate) fn new(id: BucketId, shared: Arc<Shared<S>>, ports: Ports) -> Self {
        let now = ports.clock.now();
        let intake = Intake::new(ports.feed.subscribe());
        let read_bytes = shared.config.read_bytes_per_turn;
        Self {
            id,
            shared,
            intake,
            start: now.mono,
            now,
            tick: Tick(0),
            conns: Slots::new(),
            followers: Followers::default(),
            following: Following::default(),
            receipts: Receipts::default(),
            wheel: Wheel::new(),
            renderer: Renderer::new(),
            buffers: Buffers::default(),
            read_buffer: vec![0; read_bytes].into_boxed_slice(),
            plain_buffer: Vec::new(),
            work: Work::default(),
            drain: None,
            ports,
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Connections this bucket holds.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.conns.len()
    }
}

impl<S> fmt::Debug for Bucket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Bucket");
        debug.field("id", &self.id).field("connections", &self.conns.len()).finish_non_exhaustive()
    }
}
