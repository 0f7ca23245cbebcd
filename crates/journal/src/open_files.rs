//! The segment files that readers hold open.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::files::{File, Files};
use crate::format::{HEADER_BYTES, peek};
use crate::segments::name_of;

/// A segment file and what reads by position must know of it.
#[derive(Clone)]
pub(crate) struct OpenSegment {
    pub(crate) file: Arc<dyn File>,
    /// It was rewritten: positions from before mean nothing in it.
    pub(crate) has_moved: bool,
    pub(crate) header_bytes: u32,
}

impl OpenSegment {
    pub(crate) fn open(files: &dyn Files, segment: u32) -> io::Result<Self> {
        let file = files.open(&name_of(segment))?;
        let (holes, header_bytes) = peek(file.as_ref())?.unwrap_or((0, HEADER_BYTES));
        Ok(Self { file, has_moved: holes > 0, header_bytes })
    }
}

/// The one used longest ago leaves first.
#[derive(Default)]
pub(crate) struct OpenFiles {
    files: HashMap<u32, (OpenSegment, u64)>,
    uses: u64,
}

impl OpenFiles {
    pub(crate) fn get(&mut self, segment: u32) -> Option<OpenSegment> {
        self.uses += 1;
        let (file, used) = self.files.get_mut(&segment)?;
        *used = self.uses;
        Some(file.clone())
    }

    pub(crate) fn keep(&mut self, segment: u32, file: OpenSegment, files_max: usize) {
        while self.files.len() >= files_max {
            let Some(oldest) =
                self.files.iter().min_by_key(|(_, (_, used))| *used).map(|(number, _)| *number)
            else {
                break;
            };
            self.files.remove(&oldest);
        }
        self.files.insert(segment, (file, self.uses));
    }

    pub(crate) fn forget(&mut self, segment: u32) {
        self.files.remove(&segment);
    }
}
