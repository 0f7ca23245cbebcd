//! The tables. Numbers of tables and columns are only added; the format version is in `meta`.

use redb::{ReadTransaction, TableDefinition, WriteTransaction};

use super::snapshot::copy_table;

/// Written by this build. 2: floors. A build that does not know them would show what was deleted.
pub(super) const FORMAT_VERSION: u64 = 2;

/// Counters and marks by name, see the `META_` constants.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
pub(super) const META_FORMAT: &str = "format";
pub(super) const META_EPOCH: &str = "epoch";
/// Whether the last run may have lost acknowledged records when it did not end cleanly (`fsync` not `always`).
pub(super) const META_WEAK_FSYNC: &str = "weak_fsync";
/// Identity of the log this state belongs to.
pub(super) const META_LOG_ID: &str = "log_id";
pub(super) const META_APP_LAST: &str = "app_last";
pub(super) const META_APPLIED_SEQ: &str = "applied_seq";
pub(super) const META_APPLIED_KEY: &str = "applied_key";
pub(super) const META_APPLIED_POSITION: &str = "applied_position";

/// app -> name, settings (JSON).
pub(super) const APPS: TableDefinition<'_, u32, (&str, &str)> = TableDefinition::new("apps");
/// app -> the alias number given last.
pub(super) const ALIAS_LAST: TableDefinition<'_, u32, i64> = TableDefinition::new("alias_last");
/// (app, id) -> alias number.
pub(super) const ALIASES: TableDefinition<'_, (u32, &str), i64> = TableDefinition::new("aliases");
/// (app, alias number) -> id.
pub(super) const ALIAS_NAMES: TableDefinition<'_, (u32, i64), &str> = TableDefinition::new("alias_names");
/// (app, SHA-256 of the token) -> user, expires_ms.
pub(super) const TOKENS: TableDefinition<'_, (u32, &[u8; 32]), (i64, u64)> = TableDefinition::new("tokens");
/// (app, group) -> profile (JSON), created_ms.
pub(super) const GROUPS: TableDefinition<'_, (u32, i64), (&str, u64)> = TableDefinition::new("groups");
/// (app, group, user) -> role, muted_until_ms, joined (key).
pub(super) const MEMBERS: TableDefinition<'_, (u32, i64, i64), (u8, u64, i64)> =
    TableDefinition::new("members");
/// (app, user, group).
pub(super) const USER_GROUPS: TableDefinition<'_, (u32, i64, i64), ()> = TableDefinition::new("user_groups");
/// (app, user, device) -> class, position (key), updated_ms.
pub(super) const CURSORS: TableDefinition<'_, (u32, i64, &str), (u8, i64, u64)> =
    TableDefinition::new("cursors");
/// (app, user, other) -> what the user has made of the other, see the `RELATION_` bits; no row for nothing.
pub(super) const RELATIONS: TableDefinition<'_, (u32, i64, i64), u8> = TableDefinition::new("relations");
pub(super) const RELATION_FRIEND: u8 = 1;
pub(super) const RELATION_BLACKLISTED: u8 = 2;
/// (app, user): may not speak in rooms.
pub(super) const FORBIDDEN: TableDefinition<'_, (u32, i64), ()> = TableDefinition::new("forbidden");
/// (app, user, device) -> the feeds that stand elsewhere than the cursor: group and key, eight bytes each, big-endian,
/// one after the other. No row when there are none.
pub(super) const CURSOR_FEEDS: TableDefinition<'_, (u32, i64, &str), &[u8]> =
    TableDefinition::new("cursor_feeds");

/// app -> floor of all of its timelines (key); the highest key there is when the app is gone.
pub(super) const APP_FLOORS: TableDefinition<'_, u32, i64> = TableDefinition::new("app_floors");
/// (app, 1 inbox or 2 feed, user or group) -> floor (key).
pub(super) const TIMELINE_FLOORS: TableDefinition<'_, (u32, u8, i64), i64> =
    TableDefinition::new("timeline_floors");
/// (app, user) -> floor of what a deleted user sent (key), until it is gone from the journal.
pub(super) const SENDER_FLOORS: TableDefinition<'_, (u32, i64), i64> = TableDefinition::new("sender_floors");
/// (app, user, device) -> class, platform, name, user name, push token, logged_in_ms.
pub(super) const DEVICES: TableDefinition<'_, (u32, i64, &str), DeviceRow<'_>> =
    TableDefinition::new("devices");
pub(super) type DeviceRow<'a> = (u8, i32, &'a str, &'a str, &'a str, u64);
/// (app, push token) -> user, device: the one that presented it last.
pub(super) const PUSH_TOKENS: TableDefinition<'_, (u32, &str), (i64, &str)> =
    TableDefinition::new("push_tokens");

/// The tables by name, once: how many there are, and how they are made.
macro_rules! tables {
    ($($table:ident),* $(,)?) => {
        /// How many tables there are.
        pub(super) const TABLES: usize = [$(stringify!($table)),*].len();

        /// Makes sure that every table is there, so that readers need not ask.
        pub(super) fn create_tables(transaction: &WriteTransaction) -> Result<(), redb::Error> {
            $(transaction.open_table($table)?;)*
            Ok(())
        }

        /// Copies every row of every table.
        pub(super) fn copy_tables(from: &ReadTransaction, to: &WriteTransaction) -> Result<(), redb::Error> {
            $(copy_table(from, to, $table)?;)*
            Ok(())
        }
    };
}
tables!(
    META,
    APPS,
    ALIAS_LAST,
    ALIASES,
    ALIAS_NAMES,
    TOKENS,
    GROUPS,
    MEMBERS,
    USER_GROUPS,
    CURSORS,
    CURSOR_FEEDS,
    RELATIONS,
    FORBIDDEN,
    APP_FLOORS,
    TIMELINE_FLOORS,
    SENDER_FLOORS,
    DEVICES,
    PUSH_TOKENS,
);
