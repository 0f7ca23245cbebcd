//! Logic as gateways see it.

use std::sync::Arc;

use halley_core::clock::{Clock, Now};
use halley_core::command::{ConnectRefused, ConnectRequest, Connected, InboundSend, Receipt, SendCommand};
use halley_core::device::DeviceCursor;
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::metrics::Metrics;
use halley_core::msg_id::MsgIdGenerator;
use halley_core::placement::bucket_of;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{Apps, GroupProgress, Groups, Tokens, Users};
use halley_core::ports::bus::{Bus, BusRefused};
use halley_core::ports::cursors::Cursors;
use halley_core::ports::devices::Devices;
use halley_core::ports::directory::Directory;
use halley_core::ports::gateways::Gateways;
use halley_core::ports::journal::Journal;
use halley_core::ports::logic::{Logic, SendRefused};
use halley_core::ports::timelines::Timelines;
use halley_core::reply::{BoxFuture, Reply};
use halley_core::session::SessionInfo;

use crate::auth::Authenticator;

/// What logic works with.
#[derive(Clone)]
pub struct Ports {
    /// Apps by name.
    pub apps: Arc<dyn Apps>,
    /// User numbers.
    pub users: Arc<dyn Users>,
    /// Access tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Who is in which super group.
    pub groups: Arc<dyn Groups>,
    /// How far those are up to date.
    pub progress: Arc<dyn GroupProgress>,
    /// Device cursors.
    pub cursors: Arc<dyn Cursors>,
    /// What is remembered of devices.
    pub devices: Arc<dyn Devices>,
    /// For the look-back of new devices.
    pub timelines: Arc<dyn Timelines>,
    /// Who is online.
    pub directory: Arc<dyn Directory>,
    /// Reaches connections.
    pub gateways: Arc<dyn Gateways>,
    /// Receipts go here.
    pub journal: Arc<dyn Journal>,
    /// Sends go here.
    pub bus: Arc<dyn Bus>,
    /// What authentication keeps between logins.
    pub auth: Authenticator,
    /// The time, while a login waits for another server.
    pub clock: Arc<dyn Clock>,
    /// Message ids.
    pub ids: Arc<MsgIdGenerator>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// How many buckets, and so bus partitions, there are.
    pub buckets: u16,
}

/// See [`Logic`].
#[derive(Clone)]
pub struct LogicService {
    ports: Ports,
}

impl LogicService {
    /// Over these ports.
    #[must_use]
    pub fn new(ports: Ports) -> Self {
        Self { ports }
    }

    async fn login(self, request: ConnectRequest, now: Now) -> Result<Connected, ConnectRefused> {
        let proven = self.ports.authenticate(&request, now.wall_ms).await?;
        let (app, user) = (proven.app.id, proven.user);
        let records = self.ports.check_device(&request, app, user).await?;
        let (start, received) = self.ports.start(&request, app, user, &records, now.wall_ms).await?;
        // Later than every login before it, so that there is one newest phone.
        let before_ms = records.iter().map(|record| record.logged_in_ms).max();
        let since_ms = now.wall_ms.max(before_ms.map_or(0, |before_ms| before_ms.saturating_add(1)));
        self.ports.remember_device(request, app, user, since_ms);
        if let Some(token_use) = proven.token_use {
            token_use.keep();
        }
        let (app, user_name) = (proven.app, proven.user_name);
        Ok(Connected { app, user, user_name, start, received, since_ms })
    }

    async fn login_counted(self, request: ConnectRequest, now: Now) -> Result<Connected, ConnectRefused> {
        let metrics = Arc::clone(&self.ports.metrics);
        let result = self.login(request, now).await;
        if let Err(refused) = &result {
            metrics.login_refusals.of(refused).inc();
        }
        result
    }

    pub(crate) fn publish(&self, command: SendCommand, now: Now) -> Result<(), BusRefused> {
        let partition = bucket_of(command.app, command.from, self.ports.buckets);
        let send = InboundSend {
            id: self.ports.ids.next(now.wall_ms),
            time_ms: now.wall_ms,
            taken_at: now.mono,
            command,
        };
        self.ports.bus.publish(partition, send)
    }
}

impl Logic for LogicService {
    fn connect(&self, request: ConnectRequest, now: Now) -> Reply<Result<Connected, ConnectRefused>> {
        now_or_later(Box::pin(self.clone().login_counted(request, now)))
    }

    fn online(&self, session: SessionInfo) {
        let registered = self.ports.directory.register(session.clone());
        said(registered, "a session could not be registered");
        self.ports.announce_login(&session);
    }

    fn offline(&self, session: &SessionInfo, cursor: Option<DeviceCursor>) {
        if let Some(cursor) = cursor {
            self.cursor(cursor);
        }
        let ended = self.ports.directory.unregister(session.app, session.user, session.addr);
        said(ended, "a session could not be unregistered; its lease will end it");
    }

    fn cursor(&self, cursor: DeviceCursor) {
        self.ports.cursors.save(cursor);
    }

    fn feeds(
        &self,
        app: AppId,
        user: UserId,
        at_least: SyncKey,
    ) -> Reply<Result<Vec<(GroupId, SyncKey)>, PortError>> {
        let ports = self.ports.clone();
        now_or_later(Box::pin(async move {
            ports.progress.reach(at_least).await?;
            ports.groups.feeds_of(app, user).await
        }))
    }

    fn receipt(&self, receipt: Receipt, now: Now) -> Reply<Result<(), PortError>> {
        now_or_later(Box::pin(self.ports.clone().append_receipt(receipt, now)))
    }

    fn send(&self, command: SendCommand, now: Now) -> Result<(), SendRefused> {
        self.publish(command, now).map_err(|refused| match refused {
            BusRefused::Full(send) => SendRefused::Full(Box::new(send.command)),
            BusRefused::Closed(_) => SendRefused::Closed,
        })
    }
}

/// Ready when the future is, without a wake-up; else the future itself.
fn now_or_later<T>(mut future: BoxFuture<T>) -> Reply<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Reply::Ready(value),
        std::task::Poll::Pending => Reply::Later(future),
    }
}

/// Directories that answer at once are heard; one that answers later renews its leases by itself.
fn said<E: std::fmt::Display>(reply: Reply<Result<(), E>>, what: &'static str) {
    if let Reply::Ready(Err(error)) = reply {
        tracing::warn!(%error, "{what}");
    }
}
