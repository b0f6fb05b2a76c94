//! Brings a database to the schema that this version works with.

use larder_domain::ports::StoreError;

use super::super::database::Conn;
use super::super::error::{Failure, Result};
use super::super::open::OpenError;
use super::super::tx::find;
use super::{Connector, STATEMENT_MS_MAX};

const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_tables.sql"),
    include_str!("../../../migrations/postgres/0002_quotas.sql"),
];

/// Runs what has not run yet, and then `then`.
pub(super) fn run<T>(
    connector: &Connector,
    then: impl FnOnce(&Conn) -> Result<T, OpenError>,
) -> Result<(Conn, T), OpenError> {
    let failed = |Failure(error)| OpenError::Server(Box::new(error));
    let conn = connector.writer().map_err(|failure| match failure {
        Failure(StoreError::Busy) => OpenError::Taken,
        failure => failed(failure),
    })?;
    if is_foreign(&conn).map_err(failed)? {
        return Err(OpenError::Foreign);
    }
    let done = schema(&conn).map_err(failed)?;
    if done > MIGRATIONS.len() {
        return Err(OpenError::Newer { found: done, known: MIGRATIONS.len() });
    }
    // They may have much to do.
    conn.run_all("SET statement_timeout = 0").map_err(failed)?;
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let number = at + 1;
        let all = format!("BEGIN; {sql}; UPDATE schema_version SET version = {number}; COMMIT");
        conn.run_all(&all).map_err(failed)?;
    }
    conn.run_all(&format!("SET statement_timeout = {STATEMENT_MS_MAX}")).map_err(failed)?;
    let then = then(&conn)?;
    Ok((conn, then))
}

/// Whether there are tables where ours would be made, and ours are not among them.
fn is_foreign(conn: &Conn) -> Result<bool> {
    let sql = "SELECT count(*), coalesce(bool_or(tablename = 'schema_version'), FALSE), coalesce(bool_or(tablename = 'installation'), FALSE)
               FROM pg_tables WHERE schemaname = current_schema()";
    let found = find(conn, sql, (), |row| Ok((row.uint()?, row.take::<bool>()?, row.take::<bool>()?)))?;
    // The first alone may be what a first start has left that was broken off.
    Ok(
        matches!(found, Some((tables, version, installation)) if tables > 0 && !(version && (installation || tables == 1))),
    )
}

/// How many migrations have run.
fn schema(conn: &Conn) -> Result<usize> {
    conn.run_all(
        "CREATE TABLE IF NOT EXISTS schema_version (one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL);
         INSERT INTO schema_version VALUES (1, 0) ON CONFLICT DO NOTHING",
    )?;
    Ok(find(conn, "SELECT version FROM schema_version", (), |row| row.take())?.unwrap_or(0))
}
