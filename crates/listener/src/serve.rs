//! Accepting within the bounds, and the drain.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use halley_core::metrics::Metrics;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// An accept that fails (no descriptors left) is tried again after this pause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener is held to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Its name in the log.
    pub name: &'static str,
    /// Connections open at once; further ones wait in the kernel's backlog.
    pub connections_max: usize,
    /// How long connections may take to end once they are told to.
    pub drain_timeout: Duration,
}

/// How the connections that were open at shutdown ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drained {
    /// They finished what was in progress, if anything.
    pub clean: usize,
    /// They did not within the drain timeout, and were cut.
    pub forced: usize,
}

/// Tells a connection when to end.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Ready when the server stops, or is gone: what is in progress is to be finished, nothing more begun.
    pub async fn requested(&mut self) {
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// Serves with `connection`, each on a task of its own, until `shutdown` is ready; then accepts nothing more, tells the
/// connections to end, waits for them within the drain timeout, and says how it went. Runs on the runtime of the caller;
/// everything it starts ends with it. A failed accept is counted in `metrics`, and the first of a row of them logged.
pub async fn serve<F>(
    listener: TcpListener,
    bounds: Bounds,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()>,
    connection: impl Fn(TcpStream, Stop) -> F,
) -> Drained
where
    F: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(bounds.connections_max));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut accepting = Accepting { name: bounds.name, metrics, failing: false };
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = accepting.next(&listener, &slots) => accepted,
        };
        let Some((stream, slot)) = accepted else { continue };
        // Small answers, each of which somebody waits for.
        let _ = stream.set_nodelay(true);
        let connection = connection(stream, Stop(stopped.clone()));
        connections.spawn(async move {
            connection.await;
            drop(slot);
        });
    }
    drop(listener);
    let _ = stop.send(true);
    drain(connections, bounds.drain_timeout).await
}

/// Accepts, counts failures, and logs the first of a row of them.
struct Accepting {
    name: &'static str,
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
                    tracing::warn!(listener = self.name, %error, "accepting connections fails; trying on");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
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
