//! From a checked configuration to a running server, and back.
//!
//! Order of start: store (recovery), sockets, roles, threads, ready. Order of stop: not ready, drain the gateway, close
//! the bus, let the shards finish, finish the index, flush and mark the store.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::executor::block_on;
use halley_admin::{AdminConfig, AdminState, NodeInfo, Readiness};
use halley_answer::RateLimit;
use halley_backends::disk::journal::{DiskJournal, Fsync as JournalFsync, JournalConfig};
use halley_backends::embedded::ReclaimOptions;
use halley_backends::{Embedded, Options};
use halley_core::app::Retention;
use halley_core::bearer::BearerToken;
use halley_core::clock::Clock;
use halley_core::metrics::Metrics;
use halley_core::ports::accounts::Apps;
use halley_core::ports::backup::Backups;
use halley_core::ticket::Durability as _;
use halley_store::RetentionConfig;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::backups::{ServerBackups, Source};
use super::bucket::{BucketThread, bind};
use super::compose::{NODE, Roles, compose};
use super::tls::{Certificate, follow};
use super::worker::Worker;
use crate::clock::SystemClock;
use crate::config::{Config, Fsync};
use crate::data_dir;

/// Runs the server until SIGTERM or SIGINT, or until the journal fails.
///
/// # Errors
/// When it cannot start, or could not go on.
pub fn run(config: Config, data: PathBuf, certificate: Option<Certificate>) -> Result<()> {
    let began = Instant::now();
    prepare(&data)?;
    let (metrics, registry) = Metrics::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_store(&config, &data, &metrics)?;
    warn_of_weak_settings(&config, &store)?;

    let buckets = buckets(&config);
    let sockets = bind(&config, buckets)?;
    let mut roles =
        compose(&store, comet_config(&config), answer_config(&config), buckets, &clock, &metrics)?;
    roles.retention.configure(retention_config(&config));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let readiness = Arc::new(Readiness::starting());
    let grpc = super::grpc::api(&config, &store, &roles, &metrics)?;
    let reclaiming = Arc::default();
    let backups = Arc::new(ServerBackups::new(Source {
        data: data.clone(),
        state: Arc::clone(&store.state),
        log: store.log.clone(),
        clock: Arc::clone(&clock),
        reclaiming: Arc::clone(&reclaiming),
    }));
    let registered = (Arc::clone(&metrics), registry);
    let backups_port = Arc::clone(&backups) as _;
    let state = admin_state(&config, &data, &store, &roles, registered, &clock, &readiness, backups_port)?;

    if let Some(certificate) = &certificate {
        roles.gateway.set_tls(certificate.tls());
    }
    let Roles { gateway, seats, comet_ports, shards, bus, materializer, retention, .. } = roles;
    let materializer = Worker::spawn("materialize", move |stop| materializer.run(stop))?;
    let scrubber = {
        let (log, readiness) = (store.log.clone(), Arc::clone(&readiness));
        Worker::spawn("scrub", move |stop| super::scrub::run(&log, &readiness, stop))?
    };
    let retention = {
        let metrics = Arc::clone(&metrics);
        Worker::spawn("retention", move |stop| super::retention::run(retention, &metrics, stop))?
    };
    let reclaimer = reclaim_worker(&config, &store, &reclaiming, &clock, &metrics)?;
    let mut listeners = sockets.addresses();
    let mut threads = Vec::new();
    for ((seat, shard), sockets) in seats.into_iter().zip(shards).zip(sockets.into_buckets()) {
        threads.push(BucketThread::spawn(seat, shard, sockets, comet_ports.clone())?);
    }
    drop(comet_ports);

    let outcome = runtime.block_on(async {
        let admin = Admin::start(&config, state, &mut listeners).await?;
        let grpc = super::grpc::Services::start(&config, &grpc, &mut listeners).await?;
        data_dir::write_listeners(&data, &listeners)?;
        readiness.clear("starting");
        announce(&listeners, &data, began);
        let outcome = tokio::select! {
            ended = wait_for_end(&store.journal) => ended,
            failed = follow(certificate, &gateway) => failed.map(|never| match never {}),
        };
        readiness.set("stopping", "the server is stopping");
        data_dir::remove_listeners(&data);
        if outcome.is_ok() {
            let report = gateway.drain(Instant::now() + config.server.drain_timeout.0).await;
            tracing::info!(clean = report.clean, forced = report.forced, "connections are closed");
        }
        grpc.stop().await;
        admin.stop().await;
        outcome
    });
    if let Err(lost) = outcome {
        // Nothing more may be promised; what is durable is for recovery to find.
        tracing::error!("{lost:#}");
        return Err(lost);
    }
    bus.close();
    for thread in threads {
        thread.join();
    }
    drop(gateway);
    backups.end();
    retention.stop();
    drop(reclaimer);
    materializer.stop();
    scrubber.stop();
    store.close().context("close the store")?;
    tracing::info!("stopped clean");
    Ok(())
}

/// The admin API, unless it is off.
struct Admin {
    stop: oneshot::Sender<()>,
    running: Option<JoinHandle<halley_admin::Drained>>,
}

impl Admin {
    async fn start(
        config: &Config,
        state: AdminState,
        listeners: &mut BTreeMap<String, SocketAddr>,
    ) -> Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let running = match config.listen.admin.address() {
            None => None,
            Some(address) => {
                let listener = TcpListener::bind(address)
                    .await
                    .with_context(|| format!("listen.admin: bind {address}"))?;
                listeners.insert("admin".to_owned(), listener.local_addr().context("listen.admin")?);
                let stopped = async move {
                    let _stopped = stopped.await;
                };
                Some(tokio::spawn(halley_admin::serve(listener, state, stopped)))
            }
        };
        Ok(Self { stop, running })
    }

    /// Accepts nothing more, and waits for the requests in progress.
    async fn stop(self) {
        drop(self.stop);
        if let Some(running) = self.running {
            let _ended = running.await;
        }
    }
}

/// Gives disk space back, unless somebody has taken that over.
fn reclaim_worker(
    config: &Config,
    store: &Embedded,
    reclaiming: &Arc<Mutex<()>>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<Option<Worker>> {
    let Some(mut reclaimer) = store.reclaimer.lock().take() else { return Ok(None) };
    let after_ms = u64::try_from(config.retention.reclaim_after.0.as_millis()).unwrap_or(u64::MAX);
    let options = ReclaimOptions::default();
    let look_every_ms = options.look_every_ms.min(after_ms);
    reclaimer.configure(ReclaimOptions { window_ms: after_ms, look_every_ms });
    let every = config.retention.every.0;
    let shared = super::reclaim::Shared {
        reclaiming: Arc::clone(reclaiming),
        clock: Arc::clone(clock),
        metrics: Arc::clone(metrics),
    };
    let work = move |stop: &_| super::reclaim::run(reclaimer, &shared, every, stop);
    Ok(Some(Worker::spawn("reclaim", work)?))
}

/// What comes before anything is opened.
fn prepare(data: &Path) -> Result<()> {
    halley_sys::limit_arenas();
    std::fs::create_dir_all(data).with_context(|| format!("make the data directory {}", data.display()))?;
    data_dir::remove_listeners(data);
    if let Err(error) = halley_sys::raise_descriptor_limit() {
        tracing::warn!(%error, "the descriptor limit could not be raised to its hard limit");
    }
    Ok(())
}

/// How often `journal.fsync = "interval"` syncs.
const SYNC_EVERY: Duration = Duration::from_secs(1);

fn open_store(config: &Config, data: &Path, metrics: &Arc<Metrics>) -> Result<Embedded> {
    let fsync = match config.journal.fsync {
        Fsync::Always => JournalFsync::Always,
        Fsync::Interval => JournalFsync::Interval(SYNC_EVERY),
        Fsync::Os => JournalFsync::Os,
    };
    let mut options = Options::new(Arc::clone(metrics));
    options.journal = JournalConfig {
        fsync,
        disk_free_percent_min: config.journal.free_space_min_percent,
        ..options.journal
    };
    options.log.segment_bytes = u32::try_from(config.journal.segment_bytes.0).unwrap_or(u32::MAX) & !4095;
    options.tail.bytes_max = usize::try_from(config.journal.tail_bytes.0).unwrap_or(usize::MAX);
    options.fault =
        config.debug.failpoint.as_deref().map(str::parse).transpose().context("debug.failpoint")?;
    options.on_progress = Box::new(|progress| {
        tracing::info!(done = progress.done, of = progress.total, "the index follows the journal");
    });
    let store = Embedded::open(data, options);
    let store = store.with_context(|| format!("open the data directory {}", data.display()))?;
    if let Some(reason) = store.recovery.index_discarded {
        tracing::info!(reason, records = store.recovery.indexed, "the index was rebuilt from the journal");
    }
    if let Some(torn) = store.recovery.log.torn {
        metrics.torn_bytes.inc_by(torn.bytes);
    }
    Ok(store)
}

/// What is not as safe as the default is said loudly.
fn warn_of_weak_settings(config: &Config, store: &Embedded) -> Result<()> {
    if config.journal.fsync != Fsync::Always {
        tracing::warn!(
            fsync = ?config.journal.fsync,
            "journal.fsync is not `always`: a power loss may take messages that were acknowledged"
        );
    }
    let apps = block_on(Apps::list(&*store.state)).context("read the apps")?;
    for app in apps {
        if app.settings.auth.contains(&halley_core::app::AuthMethod::Dev) {
            tracing::warn!(app = %app.name, "app accepts `dev` authentication: anybody can log in as anybody");
        }
    }
    Ok(())
}

fn buckets(config: &Config) -> u16 {
    if config.server.buckets > 0 {
        return config.server.buckets;
    }
    std::thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(128)).min(128)
}

fn comet_config(config: &Config) -> halley_comet::Config {
    let defaults = halley_comet::Config::default();
    let retransmit = config.txchat.retransmit_timeout.0;
    halley_comet::Config {
        handshake_timeout: config.txchat.handshake_timeout.0,
        idle_timeout: config.txchat.idle_timeout.0,
        resend_delay_min: retransmit,
        resend_delay_max: defaults.resend_delay_max.max(retransmit),
        window: usize::from(config.txchat.window),
        connections_per_address: config.limits.connections_per_address,
        connections_per_app: config.limits.connections_per_app,
        sessions_per_user: config.limits.sessions_per_user,
        proxies: config.listen.proxy_protocol.iter().map(|believed| believed.0).collect(),
        connections_max: match config.limits.connections {
            0 => defaults.connections_max,
            limit => defaults.connections_max.min(usize::try_from(limit).unwrap_or(usize::MAX)),
        },
        ..defaults
    }
}

fn answer_config(config: &Config) -> halley_answer::Config {
    let rate = RateLimit {
        per_second: config.limits.user_messages_per_second,
        burst: config.limits.user_messages_burst,
    };
    let app_messages_per_second = config.limits.app_messages_per_second;
    halley_answer::Config { rate, app_messages_per_second, ..halley_answer::Config::default() }
}

fn retention_config(config: &Config) -> RetentionConfig {
    RetentionConfig {
        every: config.retention.every.0,
        default: Retention {
            age_s: config.retention.age.map(|age| age.0.as_secs()),
            entries: config.retention.entries,
        },
        ..RetentionConfig::default()
    }
}

#[expect(clippy::too_many_arguments, reason = "what the admin API works on")]
fn admin_state(
    config: &Config,
    data: &Path,
    store: &Embedded,
    roles: &Roles<std::os::fd::OwnedFd>,
    (metrics, registry): (Arc<Metrics>, prometheus_client::registry::Registry),
    clock: &Arc<dyn Clock>,
    readiness: &Arc<Readiness>,
    backups: Arc<dyn Backups>,
) -> Result<AdminState> {
    let admin_token = match &config.admin.token {
        Some(token) => token.clone(),
        None => data_dir::admin_token(data)?,
    };
    Ok(AdminState {
        apps: Arc::clone(&store.state) as _,
        users: Arc::clone(&store.state) as _,
        tokens: Arc::clone(&store.state) as _,
        relations: Arc::clone(&store.state) as _,
        groups: Arc::clone(&store.state) as _,
        group_service: Arc::clone(&roles.group_writer) as _,
        messages: Arc::clone(&roles.messages) as _,
        revocations: Arc::clone(&roles.revocations) as _,
        message_lookup: Arc::clone(&roles.message_lookup),
        devices: Arc::clone(&store.state) as _,
        entries: Arc::clone(&roles.entries) as _,
        announcements: Arc::clone(&roles.announcer) as _,
        directory: Arc::clone(&roles.directory) as _,
        gateways: Arc::new(roles.gateway.clone()),
        floors: Arc::clone(&store.state) as _,
        cursors: Arc::clone(&store.state) as _,
        removals: Arc::clone(&store.state) as _,
        backups,
        timelines: Arc::clone(&roles.timelines),
        metrics,
        registry: Arc::new(registry),
        clock: Arc::clone(clock),
        readiness: Arc::clone(readiness),
        node: NodeInfo { id: NODE, version: env!("CARGO_PKG_VERSION"), started: clock.now().mono },
        token: BearerToken::new(&admin_token)
            .context("the admin token is empty or has characters that no header carries")?,
        config: AdminConfig::default(),
    })
}

async fn wait_for_end(journal: &DiskJournal) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    // No log gets this far: ready only when the journal is lost.
    let lost = std::future::poll_fn(|context| journal.poll_durable(u64::MAX - 1, context));
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
        _ = lost => bail!("the journal failed: a write or sync went wrong, see the error above; nothing more is acknowledged. \
            Start again: recovery finds everything that was acknowledged"),
    }
    Ok(())
}

fn announce(listeners: &BTreeMap<String, SocketAddr>, data: &Path, began: Instant) {
    for (name, address) in listeners {
        tracing::info!(%address, "listening: {name}");
    }
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), data = %data.display(), ms, "ready");
}
