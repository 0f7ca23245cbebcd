//! The file port with one planned fault: for kill tests of the real binary "inside a commit", and for errors that a
//! healthy disk does not give.
//!
//! Only operations on files count, over all files together, from 1 on; the n-th write or sync meets the fault.

use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::files::{File, Files};

/// Files on which one operation fails.
pub struct FailingFiles {
    inner: Arc<dyn Files>,
    plan: Arc<Plan>,
}

/// Which operation fails, and how. As text: `write:17:abort`, `write:17:tear`, `sync:3:abort_after`, `sync:3:eio`,
/// `write:5:enospc`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Which kind of operation.
    pub operation: Operation,
    /// Which of them, from 1 on.
    pub nth: u64,
    /// What happens.
    pub action: Action,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// [`File::write_all_at`].
    Write,
    /// [`File::sync_data`].
    Sync,
}

/// What the planned operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The process aborts before it.
    Abort,
    /// The process aborts after half of the bytes are written (a sync aborts before).
    Tear,
    /// The process aborts after it.
    AbortAfter,
    /// It fails with `EIO`, as do all later ones of its kind.
    Eio,
    /// It fails with `ENOSPC` after half of the bytes are written; later ones succeed.
    Enospc,
}

/// The text is no fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected (write|sync):<nth>:(abort|tear|abort_after|eio|enospc), found {found:?}")]
pub struct FaultParseError {
    found: String,
}

impl FromStr for Fault {
    type Err = FaultParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.split(':');
            let operation = match parts.next()? {
                "write" => Operation::Write,
                "sync" => Operation::Sync,
                _ => return None,
            };
            let nth = parts.next()?.parse().ok().filter(|nth| *nth > 0)?;
            let action = match parts.next()? {
                "abort" => Action::Abort,
                "tear" => Action::Tear,
                "abort_after" => Action::AbortAfter,
                "eio" => Action::Eio,
                "enospc" => Action::Enospc,
                _ => return None,
            };
            parts.next().is_none().then_some(Self { operation, nth, action })
        };
        parse().ok_or_else(|| FaultParseError { found: text.to_owned() })
    }
}

impl FailingFiles {
    /// Wraps the files.
    #[must_use]
    pub fn new(inner: Arc<dyn Files>, fault: Fault) -> Self {
        Self { inner, plan: Arc::new(Plan { fault, seen: AtomicU64::new(0) }) }
    }

    fn wrap(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(FailingFile { inner: file, plan: Arc::clone(&self.plan) })
    }
}

impl Files for FailingFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.wrap(self.inner.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.wrap(self.inner.create(name)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.inner.sync_dir()
    }
}

struct Plan {
    fault: Fault,
    seen: AtomicU64,
}

impl Plan {
    /// What this operation meets.
    fn next(&self, operation: Operation) -> Option<Action> {
        if operation != self.fault.operation {
            return None;
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        let stays = self.fault.action == Action::Eio && seen > self.fault.nth;
        (seen == self.fault.nth || stays).then_some(self.fault.action)
    }
}

struct FailingFile {
    inner: Arc<dyn File>,
    plan: Arc<Plan>,
}

impl FailingFile {
    fn fail(&self, action: Action, bytes: &[u8], offset: u64) -> io::Error {
        match action {
            Action::Abort | Action::AbortAfter => std::process::abort(),
            Action::Tear => {
                let _ = self.inner.write_all_at(&bytes[..bytes.len() / 2], offset);
                std::process::abort()
            }
            Action::Eio => io::Error::other("injected i/o error"),
            Action::Enospc => {
                let _ = self.inner.write_all_at(&bytes[..bytes.len() / 2], offset);
                io::ErrorKind::StorageFull.into()
            }
        }
    }
}

impl File for FailingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let action = self.plan.next(Operation::Write);
        match action {
            Some(action) if action != Action::AbortAfter => return Err(self.fail(action, bytes, offset)),
            _ => self.inner.write_all_at(bytes, offset)?,
        }
        match action {
            Some(action) => Err(self.fail(action, bytes, offset)),
            None => Ok(()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let action = self.plan.next(Operation::Sync);
        match action {
            Some(action) if action != Action::AbortAfter => return Err(self.fail(action, &[], 0)),
            _ => self.inner.sync_data()?,
        }
        match action {
            Some(action) => Err(self.fail(action, &[], 0)),
            None => Ok(()),
        }
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }
}
