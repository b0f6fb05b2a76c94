//! Brings a database to the schema that this version works with. However many nodes start at once, one does it and the others wait.

use super::super::database::Conn;
use super::super::error::{Failure, Result};
use super::super::open::OpenError;
use super::super::tx::find;
use super::{Connector, STATEMENT_MS_MAX};

const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/postgres/0001_tables.sql")];

/// The lock that a node holds meanwhile: a number that nobody else is likely to use ("larder").
const LOCK: i64 = 0x6c61_7264_6572;

/// Runs what has not run yet, and then `then`, before another node may.
pub(super) fn run<T>(
    connector: &Connector,
    then: impl FnOnce(&Conn) -> Result<T, OpenError>,
) -> Result<(Conn, T), OpenError> {
    let server = |Failure(error)| OpenError::Server(Box::new(error));
    let conn = connector.writer().map_err(server)?;
    // Others may have much to do before it is this one's turn.
    conn.run_all(&format!("SET statement_timeout = 0; SELECT pg_advisory_lock({LOCK})")).map_err(server)?;
    let done = schema(&conn).map_err(server)?;
    if done > MIGRATIONS.len() {
        return Err(OpenError::Newer { found: done, known: MIGRATIONS.len() });
    }
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let number = at + 1;
        let all = format!("BEGIN; {sql}; UPDATE schema_version SET version = {number}; COMMIT");
        conn.run_all(&all).map_err(server)?;
    }
    let then = then(&conn)?;
    let unlock = format!("SELECT pg_advisory_unlock({LOCK}); SET statement_timeout = {STATEMENT_MS_MAX}");
    conn.run_all(&unlock).map_err(server)?;
    Ok((conn, then))
}

/// How many migrations have run.
fn schema(conn: &Conn) -> Result<usize> {
    conn.run_all(
        "CREATE TABLE IF NOT EXISTS schema_version (one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL);
         INSERT INTO schema_version VALUES (1, 0) ON CONFLICT DO NOTHING",
    )?;
    Ok(find(conn, "SELECT version FROM schema_version", (), |row| row.take())?.unwrap_or(0))
}
