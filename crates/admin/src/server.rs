//! The listener: accepts, bounds every connection, and drains at the end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use halley_core::metrics::Metrics;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::config::AdminConfig;
use crate::router::router;
use crate::state::AdminState;
use crate::write_deadline::WriteDeadline;

/// An accept that fails (no descriptors left) is tried again after this pause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const HEADERS_MAX: usize = 64;
/// Hyper's own minimum.
const BUFFER_BYTES_MIN: usize = 8192;

/// How the connections that were open at shutdown ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drained {
    /// They finished the request in progress, if any.
    pub clean: usize,
    /// They did not within the drain timeout, and were cut.
    pub forced: usize,
}

/// Serves the API on `listener` until `shutdown` is ready; then accepts nothing more, lets requests in progress finish within the
/// drain timeout, and says how it went. Runs on the runtime of the caller; everything it starts ends with it.
pub async fn serve(listener: TcpListener, state: AdminState, shutdown: impl Future<Output = ()>) -> Drained {
    let config = state.config;
    let metrics = Arc::clone(&state.metrics);
    let router = router(state);
    let slots = Arc::new(Semaphore::new(config.connections_max));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut accepting = Accepting { metrics, failing: false };
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = accepting.next(&listener, &slots) => accepted,
        };
        let Some((stream, slot)) = accepted else {
            continue;
        };
        let connection = connection(stream, router.clone(), config, stopped.clone());
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
                    tracing::warn!(%error, "accept on the admin listener fails; trying on");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    config: AdminConfig,
    mut stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(WriteDeadline::new(stream, config.write_timeout));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(config.head_timeout)
            .max_headers(HEADERS_MAX)
            .max_buf_size(config.head_bytes_max.max(BUFFER_BYTES_MIN))
            .serve_connection(stream, TowerToHyperService::new(router))
    );
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "admin connection ended");
    }
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
