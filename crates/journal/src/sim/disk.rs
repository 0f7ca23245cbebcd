//! The handle of the simulated disk: the file port, and what a test does to it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::state::{State, power_went};
use crate::files::{File, Files};
use crate::shared::locked;

/// A simulated disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk whose accidents come from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// The file port for a process that starts now. It dies with the next [`SimDisk::crash`] or [`SimDisk::kill`].
    #[must_use]
    pub fn files(&self) -> Arc<dyn Files> {
        Arc::new(SimFiles { disk: self.clone(), boot: self.state().boot })
    }

    /// Power loss: what was not synced is lost, kept or torn.
    pub fn crash(&self) {
        self.state().crash();
    }

    /// `kill -9`: the process dies, everything written stays readable.
    pub fn kill(&self) {
        self.state().restart();
    }

    /// The power goes off in the middle of the n-th changing operation from now (from 1 on); everything fails from
    /// then on until [`SimDisk::crash`].
    pub fn power_off_after(&self, operations: u64) {
        let mut state = self.state();
        state.power_off_at = Some(state.operations + operations);
    }

    /// The n-th sync of a file from now (from 1 on) fails with `EIO`, and its pages count as clean.
    pub fn fail_sync_after(&self, syncs: u64) {
        let mut state = self.state();
        state.fail_sync_at = Some(state.syncs + syncs);
    }

    /// How far files may still grow before writes fail with `ENOSPC`; none is no limit.
    pub fn set_space_left(&self, bytes: Option<u64>) {
        self.state().space_left = bytes;
    }

    /// Whether syncs say that they succeeded and do nothing: a build whose fsync is removed.
    pub fn set_syncs_lie(&self, lie: bool) {
        self.state().syncs_lie = lie;
    }

    /// Takes back every accident that is planned and has not happened.
    pub fn heal(&self) {
        let mut state = self.state();
        state.power_off_at = None;
        state.fail_sync_at = None;
        state.space_left = None;
    }

    /// Changing operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The names there are.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// The content of a file, as a process reads it; empty when there is none.
    #[must_use]
    pub fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.names.get(name).map(|inode| state.inodes[*inode].cached.clone()).unwrap_or_default()
    }

    /// Puts a file there, durably, in the place of any other.
    pub fn put(&self, name: &str, content: &[u8]) {
        if let Ok(file) = self.files().create(name).or_else(|_| self.files().open(name)) {
            drop(file);
        }
        let mut state = self.state();
        if let Some(inode) = state.names.get(name).copied() {
            state.inodes[inode].cached = content.to_vec();
            state.inodes[inode].durable = content.to_vec();
        }
        let boot = state.boot;
        let _ = state.sync_dir(boot);
    }

    /// Takes a file away, durably.
    pub fn take(&self, name: &str) {
        let mut state = self.state();
        let boot = state.boot;
        let _ = state.remove(name, boot);
        let _ = state.sync_dir(boot);
    }

    /// Turns one bit over, on the disk and in the cache.
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u8) {
        let mut state = self.state();
        let Some(inode) = state.names.get(name).copied() else {
            return;
        };
        let offset = offset as usize;
        let inode = &mut state.inodes[inode];
        for content in [&mut inode.cached, &mut inode.durable] {
            if let Some(byte) = content.get_mut(offset) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

struct SimFiles {
    disk: SimDisk,
    boot: u64,
}

impl SimFiles {
    fn file(&self, inode: usize) -> Arc<dyn File> {
        Arc::new(SimFile { disk: self.disk.clone(), boot: self.boot, inode })
    }
}

impl Files for SimFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.state().check_on(self.boot)?;
        Ok(self.disk.names())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let state = self.disk.state();
        state.check_on(self.boot)?;
        let inode = state.names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        drop(state);
        Ok(self.file(inode))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let inode = self.disk.state().create(name, self.boot)?;
        Ok(self.file(inode))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.state().remove(name, self.boot)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.state().rename(from, to, self.boot)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.state().sync_dir(self.boot)
    }
}

struct SimFile {
    disk: SimDisk,
    boot: u64,
    inode: usize,
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        state.check_on(self.boot)?;
        let content = &state.inodes[self.inode].cached;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.state().write(self.inode, bytes, offset, self.boot)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().sync(self.inode, self.boot)
    }

    fn size(&self) -> io::Result<u64> {
        let state = self.disk.state();
        if state.is_off {
            return Err(power_went());
        }
        Ok(state.inodes[self.inode].cached.len() as u64)
    }
}
