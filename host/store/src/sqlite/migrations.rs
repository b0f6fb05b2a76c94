//! Brings a database to the schema that this version works with, one file after the other, each in a transaction of
//! its own. SQLite's `user_version` counts the files that have run.

use rusqlite::{Connection, TransactionBehavior};

use super::open::OpenError;

const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_tables.sql"),
    include_str!("../../migrations/sqlite/0002_grants.sql"),
    include_str!("../../migrations/sqlite/0003_audit_and_limits.sql"),
    include_str!("../../migrations/sqlite/0004_docker.sql"),
    include_str!("../../migrations/sqlite/0005_parents.sql"),
    include_str!("../../migrations/sqlite/0006_operations.sql"),
    include_str!("../../migrations/sqlite/0007_grace.sql"),
    include_str!("../../migrations/sqlite/0008_pokes.sql"),
    include_str!("../../migrations/sqlite/0010_issued_and_digests.sql"),
];

/// Runs what has not run yet.
pub(super) fn run(conn: &mut Connection) -> Result<(), OpenError> {
    let done: usize = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if done > MIGRATIONS.len() {
        return Err(OpenError::Newer { found: done, known: MIGRATIONS.len() });
    }
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", at + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_run_once_and_a_newer_schema_is_refused() {
        let mut conn = Connection::open_in_memory().unwrap();
        run(&mut conn).unwrap();
        run(&mut conn).unwrap();
        conn.pragma_update(None, "user_version", MIGRATIONS.len() + 1).unwrap();
        assert!(matches!(run(&mut conn), Err(OpenError::Newer { .. })));
    }
}
