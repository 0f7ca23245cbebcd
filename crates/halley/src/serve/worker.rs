//! Threads that are owned: named, stopped by dropping a channel, joined.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};

/// A thread that works until it is told to stop.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Runs `work` on a thread of this name; `work` ends when the receiver's other end is dropped.
    pub(crate) fn spawn(name: &str, work: impl FnOnce(&Receiver<()>) + Send + 'static) -> Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(&stopped));
        let thread = thread.with_context(|| format!("start thread {name}"))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Tells it to stop and waits until it has.
    pub(crate) fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a worker thread ended with a panic");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.join();
    }
}
