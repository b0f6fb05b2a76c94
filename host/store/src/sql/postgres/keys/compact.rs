//! What was replaced stays in the tables' files until they are written anew. That holds up whoever reads or writes there, so it is done only
//! where it is quick, and given up where it is not. The server's log and its copies are its operator's.

use std::collections::BTreeSet;

use larder_domain::ports::StoreError;

use super::super::Connector;
use super::drive::KeyDriving;
use crate::sql::database::Conn;
use crate::sql::error::{Failure, Result};
use crate::sql::reseal::SEALED;
use crate::sql::tx::find;

/// The largest table that is written anew, in bytes.
const TABLE_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// How long the others are waited for, who wait behind it, in milliseconds.
pub(in crate::sql::postgres) const COMPACT_LOCK_MS_MAX: u64 = 1_000;
/// How long a table is kept from everybody, in milliseconds.
pub(in crate::sql::postgres) const COMPACT_MS_MAX: u64 = 3_000;

/// What one try has come to.
struct Tried {
    compacted: BTreeSet<&'static str>,
    since: String,
    is_whole: bool,
}

impl KeyDriving<'_> {
    /// Writes the tables anew that had something sealed, as far as that is quick. Whether all were.
    pub(super) async fn compact_tables(&mut self) -> std::result::Result<bool, StoreError> {
        let Some(connector) = self.store().readers.connector().cloned() else { return Ok(true) };
        let (compacted, since) = (self.compacted.clone(), self.compacting_since.clone());
        let trying = tokio::task::spawn_blocking(move || tried(&connector, compacted, since));
        let tried = trying.await.map_err(|error| StoreError::Database(Box::new(error)))?.map_err(StoreError::from)?;
        (self.compacted, self.compacting_since) = (tried.compacted, Some(tried.since));
        Ok(tried.is_whole)
    }
}

fn tried(connector: &Connector, mut compacted: BTreeSet<&'static str>, since: Option<String>) -> Result<Tried> {
    let conn = connector.compactor()?;
    let since = match since {
        Some(since) => since,
        None => moment(&conn)?,
    };
    // Whoever reads since before sees the old rows still; so would they be copied.
    if is_seen(&conn, &since)? {
        return Ok(Tried { compacted, since, is_whole: false });
    }
    let tables = SEALED.iter().map(|column| column.table).chain(["key_rotation"]);
    let left: BTreeSet<_> = tables.filter(|table| !compacted.contains(table)).collect();
    let mut is_whole = true;
    for table in left {
        match is_small(&conn, table)? && is_compacted(&conn, table)? {
            true => drop(compacted.insert(table)),
            false => is_whole = false,
        }
    }
    Ok(Tried { compacted, since, is_whole })
}

fn moment(conn: &Conn) -> Result<String> {
    let now = find(conn, "SELECT CAST(clock_timestamp() AS TEXT)", (), |row| row.take())?;
    now.ok_or_else(|| Failure::corrupt("a server without a clock"))
}

fn is_seen(conn: &Conn, since: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
               AND xact_start < CAST(CAST(? AS TEXT) AS TIMESTAMPTZ)";
    find(conn, sql, [since], |_| Ok(())).map(|found| found.is_some())
}

fn is_small(conn: &Conn, table: &str) -> Result<bool> {
    let sql = "SELECT pg_total_relation_size(to_regclass(CAST(? AS TEXT)))";
    Ok(find(conn, sql, [table], |row| row.uint())?.is_some_and(|bytes| bytes <= TABLE_BYTES_MAX))
}

/// Whether it could be done in time.
fn is_compacted(conn: &Conn, table: &str) -> Result<bool> {
    match conn.run_all(&format!("VACUUM (FULL) {table}")) {
        Ok(()) => Ok(true),
        Err(failure @ Failure(StoreError::Unreachable(_))) => Err(failure),
        Err(Failure(error)) => {
            tracing::debug!(table, %error, "a table is not compacted now");
            Ok(false)
        }
    }
}
