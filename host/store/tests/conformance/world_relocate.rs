//! An installation that moves from a data directory to a database of a server.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use larder_domain::audit::Action;
use larder_domain::ports::Store;
use larder_domain::ports::runtime::GuestState;
use larder_domain::{Event, SecretString, WallTime};
use larder_store::sql::{Progress, RelocateError, Relocated, Relocation};
use larder_store::{KeyfileSealer, ManualClock, OpenError, Server, SqlStore, Time};
use postgres::{Client, NoTls};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::world::{Build, World, config, new_addon};
use crate::world_postgres::{alter, database, tls};

/// What only a server has: the schema's number, and what several nodes need.
const ONLY_THERE: [(&str, &str); 16] = [
    ("installation", "clock_zero_ms"),
    ("installation", "last_commit"),
    ("installation", "providers_revision"),
    ("key_rotation", "driver"),
    ("key_rotation", "key"),
    ("key_rotation", "one"),
    ("key_rotation", "remnants"),
    ("key_rotation", "resealed"),
    ("key_rotation", "sealed"),
    ("key_rotation", "stopped"),
    ("key_rotation", "total"),
    ("key_rotation", "trouble"),
    ("node", "key"),
    ("schema_version", "oldest"),
    ("schema_version", "one"),
    ("schema_version", "version"),
];

pub(crate) fn key(key: u8) -> KeyfileSealer {
    KeyfileSealer::from_key(&[key; 32])
}

pub(crate) fn server(url: &str) -> Server {
    Server {
        url: SecretString::new(url),
        tls: tls(),
        time: Time::Given,
        node: "one".parse().unwrap(),
        home: uuid::Uuid::nil(),
    }
}

/// A world in a directory, and what opens the directory again.
pub(crate) fn world_in(dir: &Path) -> World {
    let (dir, clock) = (dir.to_owned(), Arc::new(ManualClock::default()));
    let open = {
        let clock = Arc::clone(&clock);
        move || Arc::new(SqlStore::open(&dir, Arc::new(key(7)), clock.clone()).unwrap()) as Arc<dyn Store>
    };
    World::new(clock, Box::new(open))
}

fn relocate_with(
    dir: &Path,
    url: &str,
    sealer: &KeyfileSealer,
    told: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Relocated, RelocateError> {
    Relocation { dir, server: server(url), sealer, at: WallTime(5) }.run(told)
}

pub(crate) fn relocate(dir: &Path, url: &str) -> Result<Relocated, RelocateError> {
    relocate_with(dir, url, &key(7), &mut |_| {})
}

/// What a database says, row by row. Its client can't wait where a test does.
pub(crate) fn asked(url: &str, sql: &'static str) -> Vec<(String, String)> {
    let url = url.to_owned();
    let ask = move || {
        let rows = Client::connect(&url, NoTls).unwrap().query(sql, &[]).unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    thread::spawn(ask).join().unwrap()
}

pub(crate) fn columns_here(conn: &Connection) -> BTreeSet<(String, String)> {
    let sql = "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
               WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite$_%' ESCAPE '$'";
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Three rows in each table, whatever it is for. What belongs to another row is called as that is.
pub(crate) fn fill(conn: &Connection) {
    let tables: BTreeSet<String> = columns_here(conn).into_iter().map(|(table, _)| table).collect();
    conn.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM node").unwrap();
    for table in tables.iter().filter(|table| *table != "installation") {
        let sql = "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0";
        let mut statement = conn.prepare(sql).unwrap();
        let columns = statement.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        let columns: Vec<_> = columns.unwrap().map(Result::unwrap).collect();
        for number in 0..3 {
            let value = |(name, kind): &(String, String)| match (name.as_str(), kind.as_str()) {
                ("addon", _) if table == "app_variable" && number > 0 => "NULL".to_owned(),
                ("value", _) if table == "app_variable" && number == 0 => "NULL".to_owned(),
                ("text", _) => "'ä\u{1f980} ''\\ ' || char(0) || char(10)".to_owned(),
                ("at", _) => i64::MAX.to_string(),
                ("id", "INTEGER") => (number + 70).to_string(),
                (_, "INTEGER") => (number % 2).to_string(),
                (_, "BLOB") => format!("x'{number:02x}00ff'"),
                _ => format!("'n{number}'"),
            };
            let values: Vec<_> = columns.iter().map(value).collect();
            let names: Vec<_> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            let sql = format!("INSERT INTO \"{table}\" ({}) VALUES ({})", names.join(","), values.join(","));
            conn.execute(&sql, []).unwrap();
        }
    }
}

pub(crate) fn database_of(dir: &TempDir) -> Connection {
    Connection::open(dir.path().join("larder.db")).unwrap()
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns_and_all_are_moved() {
    let Some(url) = database() else { return };
    let dir = tempfile::tempdir().unwrap();
    drop(world_in(dir.path()));
    let conn = database_of(&dir);
    fill(&conn);
    // A number that was given to a row that is gone does not come again either.
    conn.execute_batch("UPDATE sqlite_sequence SET seq = 4711 WHERE name = 'audit'").unwrap();
    let moved = relocate(dir.path(), &url).unwrap();

    let sql = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns WHERE table_schema = 'public'";
    let there: BTreeSet<_> = asked(&url, sql).into_iter().collect();
    let mut here = columns_here(&conn);
    let tables: BTreeSet<_> = here.iter().map(|(table, _)| table.clone()).collect();
    here.extend(ONLY_THERE.map(|(table, column)| (table.to_owned(), column.to_owned())));
    assert_eq!(there.symmetric_difference(&here).collect::<Vec<_>>(), Vec::<&(String, String)>::new());

    let told: BTreeSet<_> = moved.tables.iter().map(|(table, _)| table.clone()).collect();
    assert_eq!(told, tables);
    let counts = moved.tables.iter().filter(|(table, _)| table != "installation").map(|(_, rows)| *rows);
    assert!(counts.clone().all(|rows| rows == 3), "{:?}", moved.tables);
    assert_eq!(moved.altered, 3);
    assert_eq!(
        asked(&url, "SELECT replace(text, '\u{fffd}', '!'), stream FROM log LIMIT 1")[0].0,
        "ä\u{1f980} '\\ !\n"
    );
    let next = "SELECT CAST(nextval('audit_id_seq') AS TEXT), CAST(nextval('version_id_seq') AS TEXT)";
    assert_eq!(asked(&url, next)[0], ("4713".into(), "73".into()), "after the one that tells of the move");
}

#[tokio::test]
async fn what_was_moved_goes_on_where_it_was() {
    let Some(url) = database() else { return };
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path());
    world.clock.advance_ms(3_600_000);
    let app = world.app("shop").await;
    let own = vec![("OWN".parse().unwrap(), Some(SecretString::new("mine")))];
    world.store.patch_app_config(&app, own).await.unwrap().unwrap();
    let ready = world.ready(new_addon(&world, Some(&app)).declares(&["A_URL"]), config(&[("A_URL", "a")])).await;
    let driven = world.create(new_addon(&world, Some(&app)).named("b")).await;
    let turn = world.turn().await.unwrap();
    let state = GuestState::from([("k".into(), vec![1])]);
    world.store.checkpoint(&turn.lease, driven, &state).await.unwrap();
    let (installation, now) = (world.store.installation(), world.store.now());
    let records = world.store.addons(crate::lists::everything()).await.unwrap();
    let history = world.store.history(None, 0, 100).await.unwrap();
    drop(world);

    assert_eq!(relocate(dir.path(), &url).unwrap().installation, installation);
    let clock = Arc::new(ManualClock::default());
    let open = {
        let clock = Arc::clone(&clock);
        move || Arc::new(SqlStore::connect(server(&url), Arc::new(key(7)), clock.clone()).unwrap()) as Arc<dyn Store>
    };
    let world = World::new(clock, Box::new(open));
    assert_eq!(world.store.installation(), installation);
    assert!(world.store.now() >= now && world.store.now().since_ms(now) < 60_000, "{:?}", world.store.now());
    assert_eq!(world.store.addons(crate::lists::everything()).await.unwrap(), records);
    assert_eq!(world.store.history(None, 0, 100).await.unwrap(), history);
    assert_eq!(world.sees(&app).await, ["A_URL=a", "OWN=mine"]);
    assert_eq!(world.store.guest_state(driven).await.unwrap(), state);
    assert_eq!(world.store.addon_config(ready).await.unwrap(), Some(config(&[("A_URL", "a")])));
    assert_eq!(world.store.audit(None, None, 1).await.unwrap()[0].action, Action::Moved);
    // Whoever held the lease is gone.
    let again = world.turn().await.unwrap();
    assert!(again.record.spec.id == driven && again.lease.token > turn.lease.token);
    world.result(&again.lease, Event::Begun { message: String::new() }).await.unwrap();
    let next = world.store.history(None, history[history.len() - 1].id, 9).await.unwrap();
    assert_eq!(next.len(), 1, "numbers go on where they were");
}

#[tokio::test]
async fn a_move_that_is_broken_off_has_changed_nothing_and_one_that_ended_is_no_mistake_to_repeat() {
    let Some(url) = database() else { return };
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path());
    world.app("shop").await;
    drop(world);
    let file = || std::fs::read(dir.path().join("larder.db")).unwrap();
    for at_check in [false, true] {
        let before = file();
        let broken = relocate_with(dir.path(), &url, &key(7), &mut |progress| {
            assert!(progress.is_check != at_check || progress.table != "history", "broken off");
        });
        assert!(matches!(broken, Err(RelocateError::Panicked)), "{broken:?}");
        assert_eq!(
            asked(&url, "SELECT tablename::text, schemaname::text FROM pg_tables WHERE schemaname = 'public'"),
            []
        );
        assert_eq!(file(), before);
        drop(world_in(dir.path()));
    }
    relocate(dir.path(), &url).unwrap();
    let refused = SqlStore::open(dir.path(), Arc::new(key(7)), Arc::new(ManualClock::default())).err().unwrap();
    let said = refused.to_string();
    assert!(said.contains("--database") && said.contains("moved-to-database") && !said.contains("larder@"), "{said}");
    assert!(matches!(relocate(dir.path(), &url), Err(RelocateError::Open(OpenError::Moved { .. }))));
    // Whoever wants to go back says so; then what is there is known again.
    std::fs::remove_file(dir.path().join("moved-to-database")).unwrap();
    assert!(matches!(relocate(dir.path(), &url), Err(RelocateError::Occupied { is_same: true })));
    drop(world_in(dir.path()));
}

#[tokio::test]
async fn what_can_not_be_moved_is_told_before_anything_is_done() {
    let Some(url) = database() else { return };
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let missing = other.path().join("missing");
    assert!(matches!(relocate(&missing, &url), Err(RelocateError::Absent(_))));
    assert!(!missing.exists());
    let world = world_in(dir.path());
    assert!(matches!(relocate(dir.path(), &url), Err(RelocateError::Open(OpenError::InUse { .. }))));
    drop(world);
    let stranger = relocate_with(dir.path(), &url, &key(8), &mut |_| {});
    assert!(matches!(stranger, Err(RelocateError::Source(_))), "{stranger:?}");
    let conn = database_of(&dir);
    let known: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    conn.pragma_update(None, "user_version", known - 1).unwrap();
    assert!(matches!(relocate(dir.path(), &url), Err(RelocateError::Older { .. })));
    conn.pragma_update(None, "user_version", known).unwrap();
    alter(&url, "CREATE TABLE theirs (id INT)");
    assert!(matches!(relocate(dir.path(), &url), Err(RelocateError::Foreign)));
    alter(&url, "DROP TABLE theirs");
    drop(world_in(other.path()));
    relocate(other.path(), &url).unwrap();
    assert!(matches!(relocate(dir.path(), &url), Err(RelocateError::Occupied { is_same: false })));
    let nowhere = relocate(dir.path(), "postgres://larder:secret-word@127.0.0.1:1/larder");
    let said = format!("{nowhere:?}");
    assert!(
        matches!(nowhere, Err(RelocateError::Open(OpenError::Server(_)))) && !said.contains("secret-word"),
        "{said}"
    );
}
