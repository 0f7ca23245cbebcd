//! The gRPC services for business servers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use halley_backends::Embedded;
use halley_core::bearer::BearerToken;
use halley_core::metrics::Metrics;
use halley_grpc::{Api, GrpcConfig, GrpcPorts, serve_comet, serve_logic};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::compose::Roles;
use crate::config::{Config, Listen};

/// Both services over the roles.
pub(super) fn api(
    config: &Config,
    store: &Embedded,
    roles: &Roles<OwnedFd>,
    metrics: &Arc<Metrics>,
) -> Result<Api> {
    let token = config.grpc.token.as_deref().map(|token| {
        BearerToken::new(token).context("grpc.token is empty or has characters that no header carries")
    });
    let ports = GrpcPorts {
        apps: Arc::clone(&store.state) as _,
        users: Arc::clone(&store.state) as _,
        groups: Arc::clone(&store.state) as _,
        group_service: Arc::clone(&roles.group_writer) as _,
        entries: Arc::clone(&roles.entries) as _,
        gateways: Arc::new(roles.gateway.clone()),
        metrics: Arc::clone(metrics),
    };
    Ok(Api::new(ports, GrpcConfig::default(), token.transpose()?))
}

/// The services that were started; they end when this is stopped.
pub(super) struct Services {
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<halley_grpc::Drained>>,
}

impl Services {
    /// Binds and serves what the configuration names, on the runtime of the caller; addresses go to `listeners`.
    pub(super) async fn start(
        config: &Config,
        api: &Api,
        listeners: &mut BTreeMap<String, SocketAddr>,
    ) -> Result<Self> {
        let mut services = Self { stop: watch::Sender::new(false), running: Vec::new() };
        if let Some(listener) = bind("comet_grpc", config.listen.comet_grpc, listeners).await? {
            let running = tokio::spawn(serve_comet(listener, api.clone(), services.stopped()));
            services.running.push(running);
        }
        if let Some(listener) = bind("logic_grpc", config.listen.logic_grpc, listeners).await? {
            let running = tokio::spawn(serve_logic(listener, api.clone(), services.stopped()));
            services.running.push(running);
        }
        Ok(services)
    }

    fn stopped(&self) -> impl Future<Output = ()> + use<> {
        let mut stopped = self.stop.subscribe();
        async move {
            let _gone = stopped.wait_for(|stopped| *stopped).await;
        }
    }

    /// Accepts nothing more, and waits for the calls in progress.
    pub(super) async fn stop(self) {
        drop(self.stop);
        for running in self.running {
            match running.await {
                Ok(drained) => {
                    tracing::debug!(clean = drained.clean, forced = drained.forced, "a gRPC listener ended");
                }
                Err(error) => tracing::error!(%error, "a gRPC listener ended with a panic"),
            }
        }
    }
}

async fn bind(
    name: &str,
    listen: Listen,
    listeners: &mut BTreeMap<String, SocketAddr>,
) -> Result<Option<TcpListener>> {
    let Some(address) = listen.address() else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| {
        format!("listen.{name}: bind {address}; another server may have the port, `--set listen.{name}=off` if you do not need it")
    })?;
    listeners.insert(name.to_owned(), listener.local_addr().with_context(|| format!("listen.{name}"))?);
    Ok(Some(listener))
}
