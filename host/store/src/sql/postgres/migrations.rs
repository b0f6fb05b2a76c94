//! Brings a database to the schema that this version works with.
//!
//! Nodes of the next version may start while some of this one run. So a migration only adds, or says from which schema on servers can go
//! along with it ([`Migration::oldest`]): those that know an older one are refused at their start, and what still runs is to be stopped before.

use std::time::Duration;

use super::super::database::{Conn, Step};
use super::super::error::Result;
use super::super::open::OpenError;
use super::super::tx::find;
use super::{ANSWER_WAIT_MAX, GROUP_IDLE_MS_MAX, RelocateError, STATEMENT_MS_MAX, TURN_WAIT_MS_MAX, unusable};

/// How long a migration may take.
const MIGRATION_WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// The lock of whoever changes the schema.
pub(super) const SCHEMA_LOCK: i64 = 0x6c61_7264_6572;

/// The lock of whoever copies everything, together with others who do: tables that change would wait for them with everybody behind.
pub(super) const COPY_LOCK: i64 = SCHEMA_LOCK + 1;

/// There if the installation was moved elsewhere, and says where to, and which schema could go on here before that.
pub(super) const MOVED_TO: &str = "moved_to";
/// The oldest schema whose servers can go on where none is to: later than there will ever be one.
pub(super) const NOBODY: u32 = 1_000_000_000;

/// Where it is kept how many have run.
const SCHEMA_VERSION: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL);
     INSERT INTO schema_version VALUES (1, 0) ON CONFLICT DO NOTHING";

struct Migration {
    sql: &'static str,
    /// The oldest schema whose servers can go on after it.
    oldest: usize,
}

const MIGRATIONS: &[Migration] = &[
    Migration { sql: include_str!("../../../migrations/postgres/0001_tables.sql"), oldest: 1 },
    Migration { sql: include_str!("../../../migrations/postgres/0002_nodes.sql"), oldest: 2 },
    // Those of before do not count what it bounds.
    Migration { sql: include_str!("../../../migrations/postgres/0003_quotas.sql"), oldest: 3 },
    // To those of before, an engine that was added is another node's.
    Migration { sql: include_str!("../../../migrations/postgres/0004_added_engines.sql"), oldest: 3 },
    // Those of before keep a rotation from beginning as long as they run.
    Migration { sql: include_str!("../../../migrations/postgres/0005_keys.sql"), oldest: 3 },
];

/// The newest schema that this version knows.
pub(in crate::sql) const SCHEMA: usize = MIGRATIONS.len();

/// Runs what has not run yet, and then `then`; nobody else does so meanwhile, however many start at once.
pub(super) fn run<T>(conn: &Conn, then: impl FnOnce(&Conn) -> Result<T, OpenError>) -> Result<T, OpenError> {
    // It may have much to do, and so may whoever is waited for.
    wait_at_most(conn, MIGRATION_WAIT_MAX);
    let patient = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0";
    conn.run_all(patient).map_err(unusable)?;
    conn.run_all(&format!("SELECT pg_advisory_lock({SCHEMA_LOCK})")).map_err(unusable)?;
    let done = migrate(conn).and_then(|()| then(conn));
    conn.roll_back().map_err(unusable)?;
    conn.run_all(&format!(
        "SELECT pg_advisory_unlock({SCHEMA_LOCK}); SET statement_timeout = {STATEMENT_MS_MAX};
         SET lock_timeout = {TURN_WAIT_MS_MAX}; SET idle_in_transaction_session_timeout = {GROUP_IDLE_MS_MAX}"
    ))
    .map_err(unusable)?;
    wait_at_most(conn, ANSWER_WAIT_MAX);
    done
}

fn wait_at_most(conn: &Conn, wait: Duration) {
    if let Conn::Postgres(session) = conn {
        session.wait_at_most(wait);
    }
}

fn migrate(conn: &Conn) -> Result<(), OpenError> {
    if is_foreign(conn).map_err(unusable)? {
        return Err(OpenError::Foreign);
    }
    let (done, oldest) = schema(conn).map_err(unusable)?;
    if oldest > MIGRATIONS.len() {
        if let Some(place) = moved_to(conn).map_err(unusable)? {
            return Err(OpenError::MovedBack(place));
        }
        return Err(OpenError::Newer { found: done, known: MIGRATIONS.len() });
    }
    if done < MIGRATIONS.len() {
        // Outside of any transaction, where nobody waits for whoever waits here.
        conn.run_all(&format!("SELECT pg_advisory_lock({COPY_LOCK})")).map_err(unusable)?;
    }
    for (at, Migration { sql, oldest }) in MIGRATIONS.iter().enumerate().skip(done) {
        let number = at + 1;
        // The first ones have no place yet for whom they let go on.
        let noted = if number > 1 { format!(", oldest = {oldest}") } else { String::new() };
        conn.step(Step::BeginWriting).map_err(unusable)?;
        if number > 1 {
            // As every group begins: so neither waits for the other in the midst of what it does.
            conn.run_all("SELECT 1 FROM installation FOR UPDATE").map_err(unusable)?;
        }
        conn.run_all(&format!("{sql}; UPDATE schema_version SET version = {number}{noted}")).map_err(unusable)?;
        conn.step(Step::Commit).map_err(unusable)?;
    }
    if done < MIGRATIONS.len() {
        conn.run_all(&format!("SELECT pg_advisory_unlock({COPY_LOCK})")).map_err(unusable)?;
    }
    Ok(())
}

/// All that makes the tables of this version, for a transaction in which there are none.
pub(super) fn script() -> String {
    let all: Vec<&str> = MIGRATIONS.iter().map(|migration| migration.sql).collect();
    let oldest = MIGRATIONS.iter().map(|migration| migration.oldest).max().unwrap_or(1);
    let (all, number) = (all.join(";"), MIGRATIONS.len());
    format!("{SCHEMA_VERSION}; {all}; UPDATE schema_version SET version = {number}, oldest = {oldest}")
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

/// Where the installation is now, if it was moved.
fn moved_to(conn: &Conn) -> Result<Option<String>> {
    let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'moved_to'";
    if find(conn, sql, (), |row| row.uint())? == Some(0) {
        return Ok(None);
    }
    find(conn, "SELECT place FROM moved_to", (), |row| row.take())
}

/// The same, for whoever wants to move it again.
pub(super) fn refuse_moved(source: &mut postgres::Client) -> Result<(), RelocateError> {
    let is_moved: bool = source.query_one("SELECT to_regclass('moved_to') IS NOT NULL", &[])?.try_get(0)?;
    if is_moved {
        let place = source.query_one("SELECT place FROM moved_to", &[])?.try_get(0)?;
        return Err(OpenError::MovedBack(place).into());
    }
    Ok(())
}

/// How many migrations have run, and the oldest schema whose servers can go along with them.
fn schema(conn: &Conn) -> Result<(usize, usize)> {
    conn.run_all(SCHEMA_VERSION)?;
    let done: usize = find(conn, "SELECT version FROM schema_version", (), |row| row.take())?.unwrap_or(0);
    let oldest = match done {
        0 | 1 => 1,
        _ => find(conn, "SELECT oldest FROM schema_version", (), |row| row.take())?.unwrap_or(1),
    };
    Ok((done, oldest))
}
