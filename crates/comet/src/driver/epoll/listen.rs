//! Listeners: one per bucket and endpoint, sharing the port; and what happens when no descriptor is left.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use halley_core::metrics::Metrics;
use halley_core::session::Transport;
use halley_sys::{Accepted, Listener, is_descriptor_shortage, spare_descriptor};
use thiserror::Error;

/// Where to listen, and what is spoken there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The address; port 0 takes a free one, `[::]` serves IPv4 too.
    pub address: SocketAddr,
    /// What is spoken.
    pub transport: Transport,
}

/// An endpoint that cannot be served. The operator must choose another address or end who holds it.
#[derive(Debug, Error)]
#[error("cannot listen on {}", endpoint.address)]
pub struct BindError {
    /// Which.
    pub endpoint: Endpoint,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// One bucket's part of an endpoint.
#[derive(Debug)]
pub struct BucketListener {
    transport: Transport,
    listener: Listener,
}

impl BucketListener {
    /// Where it listens, with the port that was given.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// What is spoken.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }
}

/// Binds every endpoint once per bucket: the answer has a list of listeners for each bucket, in the order of the
/// endpoints. Connections are taken by the kernel from now on and wait there until the buckets run.
///
/// # Errors
/// With the first endpoint that cannot be bound; nothing stays bound.
pub fn bind(endpoints: &[Endpoint], buckets: u16) -> Result<Vec<Vec<BucketListener>>, BindError> {
    let mut seats: Vec<Vec<BucketListener>> = (0..buckets).map(|_| Vec::new()).collect();
    for endpoint in endpoints {
        let bound = Listener::bind_shared(endpoint.address, seats.len());
        let bound = bound.map_err(|source| BindError { endpoint: *endpoint, source })?;
        for (seat, listener) in seats.iter_mut().zip(bound) {
            seat.push(BucketListener { transport: endpoint.transport, listener });
        }
    }
    Ok(seats)
}

/// A bucket's listeners at work.
pub(super) struct Acceptor {
    listeners: Vec<BucketListener>,
    /// Which may have connections.
    ready: Vec<bool>,
    /// After a shortage of descriptors nothing is accepted until then.
    paused_until: Option<Instant>,
    /// Given up for a moment to take a connection and close it, when no other descriptor is left.
    spare: Option<OwnedFd>,
    metrics: Arc<Metrics>,
}

/// Connections accepted per listener and turn.
const ACCEPTS_PER_TURN: usize = 64;

impl Acceptor {
    pub(super) fn new(listeners: Vec<BucketListener>, metrics: Arc<Metrics>) -> Self {
        Self {
            ready: vec![true; listeners.len()],
            listeners,
            paused_until: None,
            spare: spare_descriptor().ok(),
            metrics,
        }
    }

    pub(super) fn listeners(&self) -> impl Iterator<Item = (usize, &Listener)> {
        self.listeners.iter().map(|listener| &listener.listener).enumerate()
    }

    /// A listener became ready.
    pub(super) fn ready(&mut self, index: usize) {
        if let Some(ready) = self.ready.get_mut(index) {
            *ready = true;
        }
    }

    /// Stops listening.
    pub(super) fn close(&mut self) {
        self.listeners.clear();
        self.ready.clear();
        self.paused_until = None;
    }

    /// When accepting goes on, if it is paused.
    pub(super) fn resumes_at(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Accepts what waits. `true`: there may be more at once.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        pause: std::time::Duration,
        mut take: impl FnMut(Accepted, Transport),
    ) -> bool {
        if self.paused_until.is_some_and(|until| now < until) {
            return false;
        }
        self.paused_until = None;
        let mut more = false;
        for index in 0..self.listeners.len() {
            let mut budget = ACCEPTS_PER_TURN;
            while self.ready[index] && budget > 0 {
                budget -= 1;
                let listener = &self.listeners[index];
                match listener.listener.accept() {
                    Ok(Some(accepted)) => take(accepted, listener.transport),
                    Ok(None) => self.ready[index] = false,
                    Err(error) => {
                        self.metrics.accept_errors.inc();
                        tracing::debug!(%error, "cannot accept a connection, pausing");
                        if is_descriptor_shortage(&error) {
                            self.shed(index);
                        }
                        self.paused_until = Some(now + pause);
                        return false;
                    }
                }
            }
            more |= self.ready[index];
        }
        more
    }

    /// Takes one connection with the spare descriptor and closes it: its client learns at once that it must go
    /// elsewhere, instead of waiting in the backlog.
    fn shed(&mut self, index: usize) {
        if self.spare.take().is_some() {
            // Closed by dropping it.
            let _ = self.listeners[index].listener.accept();
        }
        self.spare = spare_descriptor().ok();
    }
}
