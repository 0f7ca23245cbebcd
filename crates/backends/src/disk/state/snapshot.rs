//! A copy of the state as it is at one moment, as a database file of its own.

use std::path::Path;

use redb::{Database, ReadTransaction, ReadableTable as _, WriteTransaction};

use super::schema;
use super::store::RedbState;

/// While it is written.
const CACHE_BYTES: usize = 16 << 20;

impl RedbState {
    /// Writes everything that is committed into a new file, durably. Who writes meanwhile is neither waited for nor seen.
    ///
    /// # Errors
    /// When the file is not whole.
    pub fn copy_to(&self, path: &Path) -> Result<(), redb::Error> {
        let from = self.inner().read()?;
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
        let mut to = database.begin_write()?;
        to.set_quick_repair(true);
        schema::copy_tables(&from, &to)?;
        to.commit()?;
        Ok(())
    }
}

/// All rows of a table.
pub(super) fn copy_table<K: redb::Key + 'static, V: redb::Value + 'static>(
    from: &ReadTransaction,
    to: &WriteTransaction,
    table: redb::TableDefinition<'_, K, V>,
) -> Result<(), redb::Error> {
    let rows = from.open_table(table)?;
    let mut copy = to.open_table(table)?;
    for row in rows.iter()? {
        let (key, value) = row?;
        copy.insert(key.value(), value.value())?;
    }
    Ok(())
}
