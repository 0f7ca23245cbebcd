//! The installation's own numbers.

use halley_core::ids::LogSeq;
use halley_core::key::{Epoch, SyncKey};
use halley_core::ports::index::Watermark;
use redb::{ReadableDatabase, ReadableTable, WriteTransaction};

use super::schema::{
    META, META_APPLIED_KEY, META_APPLIED_POSITION, META_APPLIED_SEQ, META_EPOCH, META_LOG_ID, META_WEAK_FSYNC,
};
use super::store::RedbState;
use super::{StateOpenError, schema};

/// What is remembered of the installation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Installation {
    /// The epoch of the last run.
    pub epoch: Epoch,
    /// Whether the last run synced its journal later than it acknowledged.
    pub weak_fsync: bool,
    /// The log it belongs to; none before the first start is through.
    pub log_id: Option<u64>,
    /// How far group changes were applied, durably.
    pub applied: Watermark,
}

/// What a run writes down before it serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Its epoch.
    pub epoch: Epoch,
    /// Whether it syncs later than it acknowledges.
    pub weak_fsync: bool,
    /// Its log.
    pub log_id: u64,
}

impl RedbState {
    /// What is remembered, as of when it was opened.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn installation(&self) -> Result<Installation, StateOpenError> {
        read(self).map_err(|error| StateOpenError::Prepare(error.into()))
    }

    /// Writes down what this run is, durably. Nothing is written when that is known already.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn begin_run(&self, run: Run) -> Result<(), StateOpenError> {
        let known = self.installation()?;
        if (known.epoch, known.weak_fsync, known.log_id) == (run.epoch, run.weak_fsync, Some(run.log_id)) {
            return Ok(());
        }
        let written = self.inner().commit(|transaction| {
            let mut meta = transaction.open_table(META)?;
            meta.insert(META_EPOCH, u64::from(run.epoch.0))?;
            meta.insert(META_WEAK_FSYNC, u64::from(run.weak_fsync))?;
            meta.insert(META_LOG_ID, run.log_id)?;
            Ok(())
        });
        written.map_err(|error| StateOpenError::Prepare(error.into()))
    }

    /// Takes the mark of the group changes back to the end of a log that lost records it was not to keep.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn rewind_applied(&self, to: Watermark) -> Result<(), StateOpenError> {
        let written = self.inner().commit(|transaction| write_applied(transaction, to));
        written.map_err(|error| StateOpenError::Prepare(error.into()))?;
        self.inner().cursors.lock().set_applied(to);
        Ok(())
    }
}

fn read(state: &RedbState) -> Result<Installation, redb::Error> {
    let transaction = state.inner().read()?;
    let meta = transaction.open_table(META)?;
    let get = |name: &str| meta.get(name).map(|value| value.map(|value| value.value()));
    Ok(Installation {
        epoch: Epoch(u16::try_from(get(META_EPOCH)?.unwrap_or(0)).unwrap_or(u16::MAX)),
        weak_fsync: get(META_WEAK_FSYNC)?.unwrap_or(0) != 0,
        log_id: get(META_LOG_ID)?,
        applied: Watermark {
            seq: LogSeq(get(META_APPLIED_SEQ)?.unwrap_or(0)),
            key: SyncKey::from_raw(get(META_APPLIED_KEY)?.unwrap_or(0).cast_signed()).unwrap_or_default(),
            position: get(META_APPLIED_POSITION)?.unwrap_or(0),
        },
    })
}

/// Writes the mark of the group changes.
pub(super) fn write_applied(transaction: &WriteTransaction, applied: Watermark) -> Result<(), redb::Error> {
    let mut meta = transaction.open_table(META)?;
    meta.insert(META_APPLIED_SEQ, applied.seq.0)?;
    meta.insert(META_APPLIED_KEY, applied.key.raw().cast_unsigned())?;
    meta.insert(META_APPLIED_POSITION, applied.position)?;
    Ok(())
}

/// Writes the mark of the group changes unless a higher one is there.
pub(super) fn raise_applied(transaction: &WriteTransaction, applied: Watermark) -> Result<(), redb::Error> {
    let known = transaction.open_table(META)?.get(META_APPLIED_SEQ)?.map_or(0, |seq| seq.value());
    if applied.seq.0 > known {
        write_applied(transaction, applied)?;
    }
    Ok(())
}

/// Creates the tables of a new database, checks the version of an old one, and adds to an older one the tables that
/// came since.
pub(super) fn prepare(database: &redb::Database) -> Result<(), StateOpenError> {
    let found = (|| {
        let transaction = database.begin_read()?;
        let tables = transaction.list_tables()?.count();
        match transaction.open_table(META) {
            Ok(meta) => Ok((meta.get(schema::META_FORMAT)?.map(|version| version.value()), tables)),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok((None, tables)),
            Err(error) => Err(redb::Error::from(error)),
        }
    })();
    match found.map_err(|error| StateOpenError::Prepare(error.into()))? {
        (Some(schema::FORMAT_VERSION), tables) if tables >= schema::TABLES => Ok(()),
        (Some(found), _) if found > schema::FORMAT_VERSION => {
            Err(StateOpenError::Newer { found, supported: schema::FORMAT_VERSION })
        }
        _ => create(database).map_err(|error| StateOpenError::Prepare(error.into())),
    }
}

fn create(database: &redb::Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    schema::create_tables(&transaction)?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(schema::META_FORMAT, schema::FORMAT_VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

/// The next of a counter in `meta`, from 1.
pub(super) fn next_number(transaction: &WriteTransaction, name: &str) -> Result<u64, redb::Error> {
    let mut meta = transaction.open_table(META)?;
    let next = meta.get(name)?.map_or(0, |value| value.value()) + 1;
    meta.insert(name, next)?;
    Ok(next)
}
