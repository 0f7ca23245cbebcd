//! Opening the index so that whatever is in its directory, the server starts: what cannot be trusted is removed.
//!
//! Two files beside the directory say what happened to earlier runs: `index.opening` exists while the engine opens, a
//! byte for each start that died meanwhile, so that what kills the engine does not do so for ever (one death may be
//! chance); `index.suspect` is made when the engine failed or gave something malformed while it ran.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use halley_core::ports::floors::Floors;
use thiserror::Error;

use super::fjall::FjallRows;
use super::{IndexError, Reach};

/// The index could not be opened, nor made anew.
#[derive(Debug, Error)]
pub enum IndexOpenError {
    /// The operating system refused. The operator acts.
    #[error("{doing} the index at {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The engine failed on an empty directory.
    #[error("create the index at {}", path.display())]
    Engine {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: IndexError,
    },
}

/// Says beside the index that it is not to be trusted at the next start.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    suspect: PathBuf,
}

impl Marker {
    pub(super) fn suspect(&self) {
        if let Err(error) = fs::File::create(&self.suspect) {
            tracing::error!(%error, path = %self.suspect.display(), "the index is suspect and cannot be marked so");
        }
    }
}

/// What was opened.
pub struct Opened {
    /// The rows.
    pub rows: FjallRows,
    /// How far they go.
    pub reach: Reach,
    /// Why an index that was there was thrown away; it must be rebuilt from the log.
    pub discarded: Option<&'static str>,
}

/// After so many deaths in a row the index is thrown away.
const DEATHS_MAX: usize = 2;

/// Where the index is.
#[derive(Clone)]
pub struct Opening {
    path: PathBuf,
    opening: PathBuf,
    suspect: PathBuf,
    floors: Arc<dyn Floors>,
}

impl Opening {
    /// In this directory, which need not exist; rows below these floors need not stay.
    #[must_use]
    pub fn new(path: &Path, floors: Arc<dyn Floors>) -> Self {
        Self {
            floors,
            path: path.to_owned(),
            opening: path.with_extension("opening"),
            suspect: path.with_extension("suspect"),
        }
    }

    /// Opens the index, or an empty one in the place of one that cannot be used.
    ///
    /// # Errors
    /// When even an empty one cannot be made.
    pub fn open(&self) -> Result<Opened, IndexOpenError> {
        let mut discarded = None;
        if self.deaths() >= DEATHS_MAX {
            discarded = Some("the last starts died while it was opened");
        } else if self.suspect.exists() {
            discarded = Some("it failed in the last run");
        }
        if let Some(reason) = discarded {
            self.discard(reason)?;
        }
        match self.try_open() {
            Ok(Some((rows, reach))) => {
                return Ok(Opened { rows, reach, discarded });
            }
            Ok(None) => discarded = Some("its rows do not join up, or it has another format"),
            Err(error) => {
                tracing::warn!(error = crate::disk::chain(&error), "the index does not open");
                discarded = Some("it does not open");
            }
        }
        self.discard(discarded.unwrap_or_default())?;
        match self.try_open() {
            Ok(Some((rows, reach))) => Ok(Opened { rows, reach, discarded }),
            Ok(None) => Err(self.engine(IndexError::Malformed)),
            Err(source) => Err(self.engine(source)),
        }
    }

    /// Throws the index away. It must not be open.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn discard(&self, reason: &str) -> Result<(), IndexOpenError> {
        if self.path.exists() {
            tracing::warn!(reason, path = %self.path.display(), "the index is thrown away and rebuilt from the journal");
            fs::remove_dir_all(&self.path).map_err(self.io("remove"))?;
        }
        for marker in [&self.opening, &self.suspect] {
            match fs::remove_file(marker) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.io("unmark")(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How many starts in a row ended while they opened the index.
    fn deaths(&self) -> usize {
        fs::read(&self.opening).map_or(0, |bytes| bytes.len())
    }

    fn try_open(&self) -> Result<Option<(FjallRows, Reach)>, IndexError> {
        // Without these marks a start is only less careful.
        let _ = fs::write(&self.opening, vec![b'x'; self.deaths() + 1]);
        let marker = Marker { suspect: self.suspect.clone() };
        let opened =
            catch_unwind(AssertUnwindSafe(|| FjallRows::open(&self.path, marker, Arc::clone(&self.floors))));
        let _ = fs::remove_file(&self.opening);
        opened.unwrap_or(Err(IndexError::Malformed))
    }

    fn io(&self, doing: &'static str) -> impl FnOnce(io::Error) -> IndexOpenError {
        let path = self.path.clone();
        move |source| IndexOpenError::Io { doing, path, source }
    }

    fn engine(&self, source: IndexError) -> IndexOpenError {
        IndexOpenError::Engine { path: self.path.clone(), source }
    }
}
