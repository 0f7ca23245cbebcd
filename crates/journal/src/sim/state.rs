//! The model behind the simulated disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::rng::SimRng;

pub(super) const SECTOR_BYTES: usize = 512;

pub(super) struct State {
    pub(super) rng: SimRng,
    pub(super) inodes: Vec<Inode>,
    /// The names as a running process sees them.
    pub(super) names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    /// Handles of an earlier boot are dead.
    pub(super) boot: u64,
    pub(super) is_off: bool,
    pub(super) operations: u64,
    pub(super) power_off_at: Option<u64>,
    pub(super) syncs: u64,
    pub(super) fail_sync_at: Option<u64>,
    pub(super) space_left: Option<u64>,
    pub(super) syncs_lie: bool,
}

/// A file: what a process reads, and what is on the disk.
#[derive(Default)]
pub(super) struct Inode {
    pub(super) cached: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Sectors to be written back. A sector that differs and is not here was lost by a failed sync.
    dirty: BTreeSet<usize>,
}

enum NameChange {
    Created(String, usize),
    Removed(String),
    Renamed { from: String, to: String, inode: usize },
}

/// What an operation that changes something meets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    On,
    /// It goes off in the middle of this operation.
    Failing,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: SimRng::new(seed ^ 0x5eed_d15c),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            boot: 0,
            is_off: false,
            operations: 0,
            power_off_at: None,
            syncs: 0,
            fail_sync_at: None,
            space_left: None,
            syncs_lie: false,
        }
    }

    pub(super) fn check_on(&self, boot: u64) -> io::Result<()> {
        if self.is_off || boot != self.boot {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }

    /// Counts an operation that changes something.
    pub(super) fn begin(&mut self, boot: u64) -> io::Result<Power> {
        self.check_on(boot)?;
        self.operations += 1;
        if self.power_off_at == Some(self.operations) {
            self.is_off = true;
            return Ok(Power::Failing);
        }
        Ok(Power::On)
    }

    pub(super) fn create(&mut self, name: &str, boot: u64) -> io::Result<usize> {
        let power = self.begin(boot)?;
        if self.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if power == Power::Failing && self.rng.one_in(2) {
            return Err(power_went());
        }
        self.inodes.push(Inode::default());
        let inode = self.inodes.len() - 1;
        self.names.insert(name.to_owned(), inode);
        self.pending_names.push(NameChange::Created(name.to_owned(), inode));
        if power == Power::Failing { Err(power_went()) } else { Ok(inode) }
    }

    pub(super) fn remove(&mut self, name: &str, boot: u64) -> io::Result<()> {
        let power = self.begin(boot)?;
        if self.names.remove(name).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.pending_names.push(NameChange::Removed(name.to_owned()));
        if power == Power::Failing { Err(power_went()) } else { Ok(()) }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str, boot: u64) -> io::Result<()> {
        let power = self.begin(boot)?;
        if !self.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if power == Power::Failing && self.rng.one_in(2) {
            return Err(power_went());
        }
        if let Some(inode) = self.names.remove(from) {
            self.names.insert(to.to_owned(), inode);
            let (from, to) = (from.to_owned(), to.to_owned());
            self.pending_names.push(NameChange::Renamed { from, to, inode });
        }
        if power == Power::Failing { Err(power_went()) } else { Ok(()) }
    }

    pub(super) fn sync_dir(&mut self, boot: u64) -> io::Result<()> {
        let power = self.begin(boot)?;
        if self.syncs_lie {
            return Ok(());
        }
        if power == Power::Failing {
            self.settle_names();
            return Err(power_went());
        }
        self.pending_names.clear();
        self.durable_names.clone_from(&self.names);
        Ok(())
    }

    pub(super) fn write(&mut self, inode: usize, bytes: &[u8], offset: u64, boot: u64) -> io::Result<()> {
        let power = self.begin(boot)?;
        let mut count = bytes.len();
        if power == Power::Failing {
            count = self.rng.below(bytes.len() as u64 + 1) as usize;
        }
        let size = self.inodes[inode].cached.len() as u64;
        let growth = (offset + count as u64).saturating_sub(size);
        let mut is_full = false;
        if let Some(left) = self.space_left {
            is_full = growth > left;
            if is_full {
                count = (size + left).saturating_sub(offset).min(count as u64) as usize;
            }
            self.space_left = Some(left - growth.min(left));
        }
        self.inodes[inode].write(&bytes[..count], offset as usize);
        match power {
            Power::Failing => Err(power_went()),
            Power::On if is_full => Err(io::ErrorKind::StorageFull.into()),
            Power::On => Ok(()),
        }
    }

    pub(super) fn sync(&mut self, inode: usize, boot: u64) -> io::Result<()> {
        let power = self.begin(boot)?;
        self.syncs += 1;
        let is_failing = self.fail_sync_at == Some(self.syncs);
        if self.syncs_lie && !is_failing {
            return Ok(());
        }
        let file = &mut self.inodes[inode];
        if power == Power::Failing || is_failing {
            // Some of it arrives; none of it is tried again.
            let some: Vec<usize> = file.dirty.iter().copied().filter(|_| self.rng.one_in(2)).collect();
            file.write_back(&some);
            if is_failing {
                file.dirty.clear();
            }
            return Err(if is_failing { io::Error::from_raw_os_error(5) } else { power_went() });
        }
        let all: Vec<usize> = file.dirty.iter().copied().collect();
        file.write_back(&all);
        let size = file.cached.len();
        file.durable.resize(size, 0);
        Ok(())
    }

    /// The power goes off and on again.
    pub(super) fn crash(&mut self) {
        for index in 0..self.inodes.len() {
            let inode = &mut self.inodes[index];
            inode.crash(&mut self.rng);
        }
        self.settle_names();
        self.restart();
    }

    /// The process dies; the page cache lives on.
    pub(super) fn restart(&mut self) {
        self.boot += 1;
        self.is_off = false;
        self.power_off_at = None;
    }

    /// Each change of a name that was not synced happened or not.
    fn settle_names(&mut self) {
        for change in std::mem::take(&mut self.pending_names) {
            if self.rng.one_in(2) {
                continue;
            }
            match change {
                NameChange::Created(name, inode) => {
                    self.durable_names.insert(name, inode);
                }
                NameChange::Removed(name) => {
                    self.durable_names.remove(&name);
                }
                NameChange::Renamed { from, to, inode } => {
                    self.durable_names.remove(&from);
                    self.durable_names.insert(to, inode);
                }
            }
        }
        self.names.clone_from(&self.durable_names);
    }
}

pub(super) fn power_went() -> io::Error {
    io::Error::other("the power went off")
}

impl Inode {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        self.cached[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES);
    }

    /// Copies sectors to the disk; the length follows the highest of them.
    fn write_back(&mut self, sectors: &[usize]) {
        for sector in sectors {
            let start = sector * SECTOR_BYTES;
            let end = (start + SECTOR_BYTES).min(self.cached.len());
            if start >= end {
                continue;
            }
            if self.durable.len() < end {
                self.durable.resize(end, 0);
            }
            self.durable[start..end].copy_from_slice(&self.cached[start..end]);
            self.dirty.remove(sector);
        }
    }

    fn crash(&mut self, rng: &mut SimRng) {
        let dirty: Vec<usize> = self.dirty.iter().copied().collect();
        let kept: Vec<usize> = match rng.below(4) {
            0 => Vec::new(),
            1 => dirty.clone(),
            2 => dirty[..rng.below(dirty.len() as u64 + 1) as usize].to_vec(),
            _ => dirty.iter().copied().filter(|_| rng.one_in(2)).collect(),
        };
        self.write_back(&kept);
        if self.durable.len() < self.cached.len() && rng.one_in(2) {
            let more = rng.below((self.cached.len() - self.durable.len()) as u64 + 1) as usize;
            self.durable.resize(self.durable.len() + more, 0);
        }
        self.cached.clone_from(&self.durable);
        self.dirty.clear();
    }
}
