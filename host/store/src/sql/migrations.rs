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
    include_str!("../../migrations/sqlite/0009_engines.sql"),
    include_str!("../../migrations/sqlite/0010_issued_and_digests.sql"),
    include_str!("../../migrations/sqlite/0011_networks.sql"),
    include_str!("../../migrations/sqlite/0012_counts_and_sharers.sql"),
    include_str!("../../migrations/sqlite/0013_outdated.sql"),
    include_str!("../../migrations/sqlite/0014_nodes.sql"),
    include_str!("../../migrations/sqlite/0015_quotas.sql"),
    include_str!("../../migrations/sqlite/0016_added_engines.sql"),
];

/// The newest schema that this version knows.
pub(super) const KNOWN: usize = MIGRATIONS.len();

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
    use larder_domain::operation::Outdated;
    use larder_domain::{AddonId, OperationId, StoreTime};

    use super::*;

    /// What a store of before was left with: addons of the one engine that there was, and others.
    const BEFORE: &str = "
        INSERT INTO provider (name, component_kind) VALUES ('redis', 'provider'), ('pg', 'provider'), ('secret', 'provider');
        INSERT INTO provider_grant VALUES ('redis', 'docker', 'redis:7', 0), ('secret', 'network', 'tcp://a:1', 0);
        INSERT INTO docker_object VALUES (x'03', 'data', 'pg', 1, 1, x'', 'made', '');";

    fn insert(conn: &Connection, id: &[u8], provider: &str, live: u8, parent: Option<u8>) {
        let addon =
            "INSERT INTO addon (id, name, provider, phase, live, entries, log_lines, log_bytes, updated_at, state,
                 begin_intended, begun, message, attempts, attempts_max, host_faults, waited_ms, limit_ms, since,
                 expected_ms, cleanup, cleanup_attempts, delete_wanted)
             VALUES (?, 'x', ?, 1, ?, 0, 0, 0, 0, 'ready', 1, 1, '', 0, 3, 0, 0, 0, 0, 0, 'none', 0, 0)";
        conn.execute(addon, (id, provider, live)).unwrap();
        let detail = "INSERT INTO addon_detail (addon, component_kind, service, plan, provision_type, role, protected, created_at,
             declared, parameters, seed, parent) VALUES (?, 'provider', 's', 'p', 'independent', 'user', 0, 0, '[]', x'', x'', ?)";
        conn.execute(detail, (id, parent.map(|parent| [parent]))).unwrap();
    }

    /// A store of just before the first migration that holds this.
    fn just_before(word: &str) -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        let this = MIGRATIONS.iter().position(|sql| sql.contains(word)).unwrap();
        MIGRATIONS[..this].iter().for_each(|sql| conn.execute_batch(sql).unwrap());
        conn.pragma_update(None, "user_version", this).unwrap();
        conn
    }

    #[test]
    fn what_was_to_be_told_anew_still_is() {
        let mut conn = just_before("ALTER TABLE addon ADD COLUMN outdated");
        let (id, other) = (AddonId::generate(), AddonId::generate());
        for id in [id, other] {
            insert(&conn, id.0.as_bytes(), "redis", 1, None);
        }
        conn.execute("UPDATE addon_detail SET outdated = 1 WHERE addon = ?", [id.0.as_bytes()]).unwrap();
        run(&mut conn).unwrap();
        let outdated = |id: AddonId| -> Option<String> {
            conn.query_row("SELECT outdated FROM addon WHERE id = ?", [id.0.as_bytes()], |row| row.get(0)).unwrap()
        };
        let kept: Outdated = serde_json::from_str(&outdated(id).unwrap()).unwrap();
        assert_eq!(kept, Outdated { operation: OperationId(id.0), at: StoreTime(0), failures: 0 });
        assert_eq!(outdated(other), None);
    }

    #[test]
    fn what_there_was_is_on_the_engine_that_there_was() {
        let mut conn = just_before("engine_tally");
        conn.execute_batch(BEFORE).unwrap();
        // A redis, a part of it, a pg with objects, a secret, and a redis that is over.
        for (id, provider, live, parent) in [
            (1, "redis", 1, None),
            (2, "redis", 1, Some(1)),
            (3, "pg", 1, None),
            (4, "secret", 1, None),
            (5, "redis", 0, None),
        ] {
            insert(&conn, &[id], provider, live, parent);
        }
        run(&mut conn).unwrap();
        let mut asked = conn.prepare("SELECT hex(addon), engine FROM addon_detail ORDER BY addon").unwrap();
        let rows = asked.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))).unwrap();
        let rows: Vec<_> = rows.map(Result::unwrap).collect();
        let on: Vec<_> = rows.iter().map(|(id, engine)| (id.as_str(), engine.as_deref())).collect();
        let there = Some("default");
        assert_eq!(on, [("01", there), ("02", there), ("03", there), ("04", None), ("05", there)]);
        let live = || -> i64 {
            conn.query_row("SELECT live FROM engine_tally WHERE engine = 'default'", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(live(), 2, "a part takes no room, and what is over neither");
        conn.execute_batch("UPDATE engine_tally SET live = -1").unwrap();
        let again = MIGRATIONS.iter().find(|sql| sql.contains("DELETE FROM engine_tally")).unwrap();
        conn.execute_batch(again.split("ALTER").next().unwrap()).unwrap();
        assert_eq!(live(), 2, "a count that went wrong is mended");
    }

    #[test]
    fn the_places_that_addons_have_in_plans_are_counted() {
        let mut conn = just_before("CREATE TABLE plan_quota");
        for (id, provider, live, parent) in
            [(1, "redis", 1, None), (2, "redis", 1, Some(1)), (3, "redis", 0, None), (4, "pg", 1, None)]
        {
            insert(&conn, &[id], provider, live, parent);
        }
        conn.execute_batch(
            "UPDATE addon_detail SET role = 'server' WHERE addon = x'01';
             UPDATE addon_detail SET provision_type = 'shared' WHERE addon = x'04';
             INSERT INTO operation_detail (addon, new_plan) VALUES (x'02', 'q'), (x'03', 'q'), (x'04', 'q')",
        )
        .unwrap();
        run(&mut conn).unwrap();
        let mut asked = conn.prepare("SELECT provider, plan, live FROM plan_tally ORDER BY plan").unwrap();
        let rows = asked.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let rows: Vec<(String, String, i64)> = rows.map(Result::unwrap).collect();
        assert_eq!(rows, [("redis".into(), "p".into(), 1), ("redis".into(), "q".into(), 1)]);
    }

    #[test]
    fn migrations_run_once_and_a_newer_schema_is_refused() {
        let mut conn = Connection::open_in_memory().unwrap();
        run(&mut conn).unwrap();
        run(&mut conn).unwrap();
        conn.pragma_update(None, "user_version", MIGRATIONS.len() + 1).unwrap();
        assert!(matches!(run(&mut conn), Err(OpenError::Newer { .. })));
    }
}
