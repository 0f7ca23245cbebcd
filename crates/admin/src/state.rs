//! What the API works on.

use std::sync::Arc;
use std::time::Instant;

use halley_core::bearer::BearerToken;
use halley_core::clock::Clock;
use halley_core::ids::NodeId;
use halley_core::metrics::Metrics;
use halley_core::ports::accounts::{Apps, Groups, Tokens, Users};
use halley_core::ports::backup::Backups;
use halley_core::ports::business::{Announcements, Entries, GroupService, Messages, Revocations};
use halley_core::ports::cursors::Cursors;
use halley_core::ports::devices::Devices;
use halley_core::ports::directory::Directory;
use halley_core::ports::floors::Floors;
use halley_core::ports::gateways::Gateways;
use halley_core::ports::relations::Relations;
use halley_core::ports::removal::Removals;
use halley_core::ports::timelines::{MessageLookup, Timelines};
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex, Semaphore};

use crate::config::AdminConfig;
use crate::readiness::Readiness;

/// Which process this is.
#[derive(Clone, Copy, Debug)]
pub struct NodeInfo {
    /// Its number.
    pub id: NodeId,
    /// The version of the program.
    pub version: &'static str,
    /// When it started, on the clock of [`AdminState::clock`].
    pub started: Instant,
}

/// The ports and facts the API works on; the composition root fills it in.
#[derive(Clone)]
pub struct AdminState {
    /// Apps.
    pub apps: Arc<dyn Apps>,
    /// User ids.
    pub users: Arc<dyn Users>,
    /// Access tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Friends, blacklists, who is silenced in rooms.
    pub relations: Arc<dyn Relations>,
    /// Groups, to read.
    pub groups: Arc<dyn Groups>,
    /// Groups, to change.
    pub group_service: Arc<dyn GroupService>,
    /// Messages in users' names.
    pub messages: Arc<dyn Messages>,
    /// Takes messages back.
    pub revocations: Arc<dyn Revocations>,
    /// Messages by id.
    pub message_lookup: Arc<dyn MessageLookup>,
    /// What is remembered of devices.
    pub devices: Arc<dyn Devices>,
    /// System messages.
    pub entries: Arc<dyn Entries>,
    /// To everybody online.
    pub announcements: Arc<dyn Announcements>,
    /// Who is online.
    pub directory: Arc<dyn Directory>,
    /// Reaches connections.
    pub gateways: Arc<dyn Gateways>,
    /// What is not shown any more.
    pub floors: Arc<dyn Floors>,
    /// Devices.
    pub cursors: Arc<dyn Cursors>,
    /// The end of users and apps.
    pub removals: Arc<dyn Removals>,
    /// Backups.
    pub backups: Arc<dyn Backups>,
    /// History.
    pub timelines: Arc<dyn Timelines>,
    /// For `/v1/stats`.
    pub metrics: Arc<Metrics>,
    /// For `/metrics`.
    pub registry: Arc<Registry>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// For `/readyz`.
    pub readiness: Arc<Readiness>,
    /// This process.
    pub node: NodeInfo,
    /// What callers must show.
    pub token: BearerToken,
    /// The bounds.
    pub config: AdminConfig,
}

/// The state with what the router itself needs; one per router.
pub(crate) struct Inner {
    pub(crate) state: AdminState,
    /// One permit per request under `/v1` in progress.
    pub(crate) requests: Semaphore,
    /// Held while settings are read, changed and written as a whole, so that of two concurrent calls neither undoes
    /// the other: across awaits, therefore tokio's. It covers this process only.
    pub(crate) whole_writes: Mutex<()>,
}

/// As handlers get it.
pub(crate) type Shared = Arc<Inner>;

impl Inner {
    pub(crate) fn new(state: AdminState) -> Shared {
        Arc::new(Self {
            requests: Semaphore::new(state.config.requests_max),
            whole_writes: Mutex::new(()),
            state,
        })
    }
}
