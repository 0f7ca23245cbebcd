//! The inbound bus in process memory: one bounded queue per partition.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use halley_core::command::InboundSend;
use halley_core::ids::BucketId;
use halley_core::ports::bus::{Bus, BusReader, BusRefused};
use parking_lot::Mutex;

/// The publishing side. Cheap to clone.
#[derive(Clone)]
pub struct MemoryBus {
    partitions: Arc<[Partition]>,
    capacity: usize,
}

struct Partition {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    sends: VecDeque<InboundSend>,
    /// The reader, when it found nothing.
    waiting: Option<Waker>,
    /// Publishers that found it full.
    full: Vec<Waker>,
    is_closed: bool,
}

/// Small queues keep their memory; what a burst made is given back when it is over.
const CAPACITY_KEPT: usize = 256;

impl MemoryBus {
    /// So many partitions, each holding at most `capacity` sends, and the reader of each.
    #[must_use]
    pub fn new(partitions: u16, capacity: usize) -> (Self, Vec<MemoryBusReader>) {
        let queues = (0..partitions).map(|_| Partition { queue: Mutex::default() });
        let bus = Self { partitions: queues.collect(), capacity: capacity.max(1) };
        let readers = (0..partitions).map(|partition| MemoryBusReader {
            partitions: Arc::clone(&bus.partitions),
            partition: usize::from(partition),
        });
        let readers = readers.collect();
        (bus, readers)
    }

    /// Takes no more sends; readers get what is there, then the end.
    pub fn close(&self) {
        for partition in self.partitions.iter() {
            let mut queue = partition.queue.lock();
            queue.is_closed = true;
            let full = std::mem::take(&mut queue.full);
            let waiting = queue.waiting.take();
            drop(queue);
            full.into_iter().chain(waiting).for_each(Waker::wake);
        }
    }

    /// Ready when a send that was refused as full may be tried again, or the bus is closed.
    pub fn poll_ready(&self, partition: BucketId, context: &mut Context<'_>) -> Poll<()> {
        let Some(partition) = self.partitions.get(usize::from(partition.0)) else {
            return Poll::Ready(());
        };
        let mut queue = partition.queue.lock();
        if queue.is_closed || queue.sends.len() < self.capacity {
            return Poll::Ready(());
        }
        if !queue.full.iter().any(|waker| waker.will_wake(context.waker())) {
            queue.full.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// How many sends wait in all partitions, for the metrics.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.partitions.iter().map(|partition| partition.queue.lock().sends.len()).sum()
    }
}

impl Bus for MemoryBus {
    fn publish(&self, partition: BucketId, send: InboundSend) -> Result<(), BusRefused> {
        let Some(partition) = self.partitions.get(usize::from(partition.0)) else {
            return Err(BusRefused::Closed(Box::new(send)));
        };
        let mut queue = partition.queue.lock();
        if queue.is_closed {
            return Err(BusRefused::Closed(Box::new(send)));
        }
        if queue.sends.len() >= self.capacity {
            return Err(BusRefused::Full(Box::new(send)));
        }
        queue.sends.push_back(send);
        let waiting = queue.waiting.take();
        drop(queue);
        if let Some(waker) = waiting {
            waker.wake();
        }
        Ok(())
    }
}

/// The receiving end of one partition. Dropping it closes the partition.
pub struct MemoryBusReader {
    partitions: Arc<[Partition]>,
    partition: usize,
}

impl BusReader for MemoryBusReader {
    fn poll_batch(
        &mut self,
        into: &mut Vec<InboundSend>,
        max: usize,
        context: &mut Context<'_>,
    ) -> Poll<bool> {
        let mut queue = self.partitions[self.partition].queue.lock();
        if queue.sends.is_empty() {
            if queue.is_closed {
                return Poll::Ready(false);
            }
            queue.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = queue.sends.len().min(max.max(1));
        into.extend(queue.sends.drain(..count));
        if queue.sends.is_empty() {
            queue.sends.shrink_to(CAPACITY_KEPT);
        }
        let full = std::mem::take(&mut queue.full);
        drop(queue);
        full.into_iter().for_each(Waker::wake);
        Poll::Ready(true)
    }
}

impl Drop for MemoryBusReader {
    fn drop(&mut self) {
        let mut queue = self.partitions[self.partition].queue.lock();
        queue.is_closed = true;
        let full = std::mem::take(&mut queue.full);
        drop(queue);
        full.into_iter().for_each(Waker::wake);
    }
}
