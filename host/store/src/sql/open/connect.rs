//! How connections are set up.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::OpenError;
use crate::sql::writer::STATEMENTS_CACHED_MAX;

/// The connection that writes.
///
/// `synchronous = FULL` makes every commit durable; the log is moved into the database every 4,000 pages (16 MiB), since
/// pages that are written often are then moved once. The cache is small on purpose: a commit after a page was split looks
/// through all of it, and what it lacks the operating system has. No page is mapped into memory: an I/O error in a mapped
/// page would kill the process instead of failing a statement.
pub(super) fn writer(file: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags)?;
    let journal: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if journal != "wal" {
        return Err(OpenError::Journal { path: file.to_owned() });
    }
    conn.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA busy_timeout = 5000;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -8192;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA trusted_schema = OFF;",
    )?;
    keep_plans(&conn)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    Ok(conn)
}

/// A connection that only reads.
pub(in crate::sql) fn reader(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags)?;
    conn.execute_batch(
        "PRAGMA busy_timeout = 5000;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -8192;
         PRAGMA trusted_schema = OFF;",
    )?;
    keep_plans(&conn)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    Ok(conn)
}

/// Statements go on as they were prepared. Otherwise SQLite prepares some of them anew each time, in case other values have a better plan
/// (SQLite's documentation, "The Query Planner Stability Guarantee"); ours have one good plan each.
pub(in crate::sql) fn keep_plans(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}
