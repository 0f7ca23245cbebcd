//! A listener: accepts, bounds every connection, and drains at the end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use halley_core::metrics::Metrics;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::Service;

use crate::api::Api;
use crate::config::GrpcConfig;
use crate::guard::{Names, call};

/// An accept that fails (no descriptors left) is tried again after this pause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the connections that were open at shutdown ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drained {
    /// They finished the calls in progress, if any.
    pub clean: usize,
    /// They did not within the drain timeout, and were cut.
    pub forced: usize,
}

/// Serves until `shutdown` is ready; then accepts nothing more, lets calls in progress finish within the drain timeout, and
/// says how it went. Runs on the runtime of the caller; everything it starts ends with it.
pub(crate) async fn serve<S>(
    listener: TcpListener,
    api: Api,
    names: Names,
    service: S,
    shutdown: impl Future<Output = ()>,
) -> Drained
where
    S: Service<Request<Incoming>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let config = api.inner().config;
    let slots = Arc::new(Semaphore::new(config.connections_max));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut accepting = Accepting { metrics: Arc::clone(&api.ports().metrics), failing: false };
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = accepting.next(&listener, &slots) => accepted,
        };
        let Some((stream, slot)) = accepted else { continue };
        let connection = connection(stream, api.clone(), names, service.clone(), stopped.clone());
        connections.spawn(async move {
            connection.await;
            drop(slot);
        });
    }
    drop(listener);
    let _ = stop.send(true);
    drain(connections, config.drain_timeout).await
}

/// Accepts, counts failures, and logs the first of a row of them.
struct Accepting {
    metrics: Arc<Metrics>,
    failing: bool,
}

impl Accepting {
    /// The next connection, once there is a slot for it; `None` after a failed accept and its pause. Cancel-safe: a
    /// connection is either returned or still in the backlog.
    async fn next(
        &mut self,
        listener: &TcpListener,
        slots: &Arc<Semaphore>,
    ) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let slot = Arc::clone(slots).acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, _remote)) => {
                self.failing = false;
                Some((stream, slot))
            }
            Err(error) => {
                self.metrics.accept_errors.inc();
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "accept on a gRPC listener fails; trying on");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

async fn connection<S>(
    stream: TcpStream,
    api: Api,
    names: Names,
    service: S,
    mut stopped: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let config = api.inner().config;
    let _ = stream.set_nodelay(true);
    tokio::select! {
        spoken = tokio::time::timeout(config.first_bytes_timeout, stream.readable()) => {
            if !matches!(spoken, Ok(Ok(()))) {
                return;
            }
        }
        () = stop(&mut stopped) => return,
    }
    let service = service_fn(move |request| {
        let (api, service) = (api.clone(), service.clone());
        async move { Ok::<_, Infallible>(call(&api, names, service, request).await) }
    });
    let mut connection = pin!(builder(&config).serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a gRPC connection ended");
    }
}

fn builder(config: &GrpcConfig) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_max)
        .max_header_list_size(config.head_bytes_max)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout);
    builder
}

/// Ready when the server stops, or is gone.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn drain(mut connections: JoinSet<()>, timeout: Duration) -> Drained {
    let mut drained = Drained::default();
    let all = async {
        while connections.join_next().await.is_some() {
            drained.clean += 1;
        }
    };
    let finished = tokio::time::timeout(timeout, all).await.is_ok();
    if !finished {
        drained.forced = connections.len();
        connections.shutdown().await;
    }
    drained
}
