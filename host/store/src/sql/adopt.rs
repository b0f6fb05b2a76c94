//! A database that comes from a backup, before any server uses it: looked at from end to end, and made ready to be gone on from.
//!
//! The store's clock stays where the backup was made: moved on, it would use up what deleted addons are kept for, and deadlines. The
//! numbers that were given since then are another matter. Somebody may know them still, as a client that follows the
//! history does, and they must not come again for something else: so all counters go on far above.

use std::path::Path;

use larder_domain::WallTime;
use larder_domain::audit::{Action, Actor};
use larder_domain::ports::{SealError, Sealer};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde_json::Value;

use super::{audit, migrations};
use crate::places;

/// How far counters go on above what the backup has: more than was given since, and far below what they can hold.
const COUNTERS_GAP: u64 = 1 << 32;
/// The schema from which on there is an audit log.
const SCHEMA_WITH_AUDIT: usize = 3;
/// Mistakes of a damaged database that are told.
const MISTAKES_TOLD_MAX: usize = 3;

/// A database can't be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It is none of Larder's.
    #[error("it holds no database of Larder's")]
    Foreign,
    /// A newer version wrote it.
    #[error("its database has schema {found}, and this version knows {known}")]
    Newer {
        /// The schema that was found.
        found: usize,
        /// The newest that this version knows.
        known: usize,
    },
    /// What it holds was sealed with another key.
    #[error(transparent)]
    Key(#[from] SealError),
    /// It is not whole.
    #[error("its database is damaged: {0}")]
    Damaged(String),
    /// It can't be read or written.
    #[error("its database can't be used")]
    Database(#[from] rusqlite::Error),
}

/// Looks at all of a database that no server uses: that it is whole, that this version can read it, and that the key is the right one.
///
/// # Errors
/// Whichever of that it is not.
pub fn check_database(file: &Path, sealer: &dyn Sealer) -> Result<(), AdoptError> {
    check(&connect(file)?, sealer)
}

/// The same over a connection.
pub(super) fn check(conn: &Connection, sealer: &dyn Sealer) -> Result<(), AdoptError> {
    let schema = schema(conn)?;
    if schema == 0 {
        return Err(AdoptError::Foreign);
    }
    if schema > migrations::KNOWN {
        return Err(AdoptError::Newer { found: schema, known: migrations::KNOWN });
    }
    whole(conn)?;
    let key_check: Option<Vec<u8>> =
        conn.query_row("SELECT key_check FROM installation", [], |row| row.get(0)).optional()?;
    sealer.open(places::KEY_CHECK, &key_check.ok_or(AdoptError::Foreign)?)?;
    Ok(())
}

/// Makes a database that was checked ready to be gone on from, and writes that down in its audit log.
///
/// # Errors
/// It can't be written.
pub fn adopt_database(file: &Path, at: WallTime, noted: &Value) -> Result<(), AdoptError> {
    let mut conn = connect(file)?;
    let schema = schema(&conn)?;
    let transaction = conn.transaction()?;
    transaction.execute(
        "UPDATE installation SET last_token = last_token + ?1, last_entry = last_entry + ?1, last_line = last_line + ?1",
        [COUNTERS_GAP],
    )?;
    if schema >= SCHEMA_WITH_AUDIT {
        transaction.execute(
            "INSERT INTO audit (at, actor, action, provider, data) VALUES (?, ?, ?, ?, ?)",
            params![at.0, Actor::Host.as_str(), Action::Restored.as_str(), audit::OF_ALL, noted.to_string()],
        )?;
    }
    transaction.commit()?;
    conn.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn connect(file: &Path) -> Result<Connection, AdoptError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags).map_err(told)?;
    conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")
        .map_err(told)?;
    Ok(conn)
}

fn schema(conn: &Connection) -> Result<usize, AdoptError> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(told)
}

/// A file that is no database at all is not the database's own failure.
fn told(error: rusqlite::Error) -> AdoptError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error.sqlite_error_code() {
        Some(NotADatabase) => AdoptError::Foreign,
        Some(DatabaseCorrupt) => AdoptError::Damaged(error.to_string()),
        _ => AdoptError::Database(error),
    }
}

fn whole(conn: &Connection) -> Result<(), AdoptError> {
    let sql = format!("PRAGMA integrity_check({MISTAKES_TOLD_MAX})");
    let mut statement = conn.prepare(&sql).map_err(told)?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0)).map_err(told)?;
    let lines = lines.collect::<Result<Vec<_>, _>>().map_err(told)?;
    if lines != ["ok"] {
        return Err(AdoptError::Damaged(lines.join("; ")));
    }
    let astray = conn.query_row("PRAGMA foreign_key_check", [], |row| row.get::<_, String>(0)).optional();
    match astray.map_err(told)? {
        Some(table) => Err(AdoptError::Damaged(format!("a row of the table {table} belongs to one that is not there"))),
        None => Ok(()),
    }
}
