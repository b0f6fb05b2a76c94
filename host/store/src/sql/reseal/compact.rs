//! What was deleted or replaced stays in free pages and in the log until something else is written there. Where that must not be,
//! the database is written anew, and the log cut.
//!
//! That holds up the writer, who waits for its turn for some seconds at most ([`HELD_UP_MAX`] is well below that). A database that is
//! too large for it is left as it is, and compacted when nobody waits: before a server begins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use larder_domain::ports::StoreError;
use rusqlite::{Connection, OpenFlags};
use tokio::time::timeout;

use crate::sql::SqlStore;
use crate::sql::error::{Failure, Result};

/// How long the writer may be held up.
const HELD_UP_MAX: Duration = Duration::from_secs(3);
/// The largest database that is written anew while somebody waits: it is in memory meanwhile.
const BYTES_MAX: u64 = 128 * 1024 * 1024;
/// How often the log is tried to be cut: somebody may be reading from it.
const CUTS_MAX: u32 = 20;

impl SqlStore {
    /// Writes the database anew without what was deleted, if that takes no longer than others can wait. Whether it was done.
    ///
    /// # Errors
    /// The database failed.
    pub async fn compact(&self) -> std::result::Result<bool, StoreError> {
        let Some(database) = self.database().await? else { return Ok(true) };
        let bytes = std::fs::metadata(&database).map_or(0, |found| found.len());
        if bytes > BYTES_MAX {
            return Ok(false);
        }
        let conn = connect(&database, "MEMORY").map_err(failed)?;
        let interrupt = conn.get_interrupt_handle();
        let mut compacting = tokio::task::spawn_blocking(move || vacuum(&conn).and_then(|()| cut(&conn)));
        let done = match timeout(HELD_UP_MAX, &mut compacting).await {
            Ok(done) => done,
            Err(_) => {
                interrupt.interrupt();
                compacting.await
            }
        };
        match done.map_err(|error| StoreError::Database(Box::new(error)))? {
            Ok(is_cut) => Ok(is_cut),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => Ok(false),
            // Somebody else had the database for too long.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// The same for as long as it takes, while nobody uses the store yet.
    ///
    /// # Errors
    /// The database failed.
    pub async fn compact_whole(&self) -> std::result::Result<(), StoreError> {
        let Some(database) = self.database().await? else { return Ok(()) };
        // The copy may be larger than memory.
        let conn = connect(&database, "FILE").map_err(failed)?;
        let compacting = tokio::task::spawn_blocking(move || vacuum(&conn).and_then(|()| cut(&conn)));
        compacting.await.map_err(|error| StoreError::Database(Box::new(error)))?.map(drop).map_err(failed)
    }

    /// The file that it is kept in, if it is in one.
    pub(in crate::sql) async fn database(&self) -> std::result::Result<Option<PathBuf>, StoreError> {
        let path = self.readers.read(|conn| -> Result<_> { Ok(conn.embedded()?.path().map(PathBuf::from)) }).await?;
        Ok(path.filter(|path| !path.as_os_str().is_empty()))
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    Failure::from(error).into()
}

fn connect(database: &Path, temporary: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(database, flags)?;
    conn.execute_batch(&format!(
        "PRAGMA busy_timeout = 1000; PRAGMA temp_store = {temporary}; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
    ))?;
    Ok(conn)
}

fn vacuum(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("VACUUM")
}

/// Moves the log into the database, and leaves nothing of it. Whether that could be done.
fn cut(conn: &Connection) -> rusqlite::Result<bool> {
    for _ in 0..CUTS_MAX {
        let is_busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if !is_busy {
            return Ok(true);
        }
    }
    Ok(false)
}
