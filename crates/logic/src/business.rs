//! Sends on behalf of business servers: the same way as a client's, answered to a waiting call.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::channel::oneshot;
use halley_core::clock::Clock;
use halley_core::command::{ReplyTo, SendCommand, SendOutcome};
use halley_core::ids::NodeId;
use halley_core::ports::PortError;
use halley_core::ports::business::{BusinessSend, Messages};
use halley_core::reply::Reply;
use parking_lot::Mutex;

use crate::service::LogicService;

/// Calls that wait at once; more are refused as unavailable.
const CALLS_MAX: usize = 4_096;

/// The calls of this process that wait for an outcome.
#[derive(Debug, Default)]
pub struct Calls {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<SendOutcome>>>,
}

impl Calls {
    /// The outcome of a call has come. `false` when nobody waits for it any more.
    pub fn complete(&self, call: u64, outcome: SendOutcome) -> bool {
        let waiting = self.waiting.lock().remove(&call);
        waiting.is_some_and(|waiting| waiting.send(outcome).is_ok())
    }

    fn open(&self) -> Option<(u64, oneshot::Receiver<SendOutcome>)> {
        let call = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.len() >= CALLS_MAX {
            return None;
        }
        waiting.insert(call, sender);
        Some((call, receiver))
    }
}

/// [`Messages`] over the inbound bus.
pub struct BusinessMessages {
    logic: LogicService,
    calls: Arc<Calls>,
    clock: Arc<dyn Clock>,
    node: NodeId,
}

impl BusinessMessages {
    /// Sends through `logic`; outcomes come back to `calls` of this `node`.
    #[must_use]
    pub fn new(logic: LogicService, calls: Arc<Calls>, clock: Arc<dyn Clock>, node: NodeId) -> Self {
        Self { logic, calls, clock, node }
    }
}

/// Forgets a call whose caller went away.
struct Waiting {
    calls: Arc<Calls>,
    call: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.calls.waiting.lock().remove(&self.call);
    }
}

impl Messages for BusinessMessages {
    fn send(&self, send: BusinessSend) -> Reply<Result<SendOutcome, PortError>> {
        let Some((call, outcome)) = self.calls.open() else {
            return Reply::Ready(Err(busy("too many calls are waiting")));
        };
        let waiting = Waiting { calls: Arc::clone(&self.calls), call };
        let command = SendCommand {
            app: send.app,
            from: send.from,
            target: send.target,
            content: send.content,
            ext: Bytes::new(),
            client_id: send.client_id,
            device: Bytes::new(),
            reply_to: ReplyTo::Call(self.node, call),
        };
        if self.logic.publish(command, self.clock.now()).is_err() {
            return Reply::Ready(Err(busy("the inbound queue is full")));
        }
        Reply::later(async move {
            let _waiting = waiting;
            outcome.await.map_err(|_| busy("the server is stopping"))
        })
    }
}

fn busy(why: &str) -> PortError {
    PortError::Unavailable { what: "answer", why: why.to_owned() }
}
