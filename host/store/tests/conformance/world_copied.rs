//! Copies of a store in a database of a server: files like those of a data directory.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use larder_domain::audit::Action;
use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::store::AppStore as _;
use larder_domain::ports::{Store, StoreError};
use larder_domain::{AppName, SecretString};
use larder_store::sql::check_database;
use larder_store::{ManualClock, SqlStore};
use postgres::{Client, NoTls};
use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::world::{Build as _, World, config, new_addon, pair, panic_with, write_pairs};
use crate::world_postgres::{alter, database, node, node_by_the_server};
use crate::world_relocate::{asked, columns_here, database_of, fill, key, relocate, world_in};

/// How many copies are taken while others write.
const COPIES: usize = 5;
/// Nodes that write meanwhile.
const WRITERS: usize = 3;
/// Tables about the nodes of a server: whoever goes on from a copy is alone.
const OF_NODES: [&str; 3] = ["node", "node_engine", "transfer"];

/// An empty file, in a directory as a server would have it.
fn empty_file() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("larder.db");
    File::create_new(&file).unwrap();
    (dir, file)
}

async fn copy(store: &SqlStore) -> TempDir {
    let (dir, file) = empty_file();
    store.copy_to(&file, json!({ "why": "a test" })).await.unwrap();
    check_database(&file, &key(7)).unwrap();
    let names = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(names, 1, "it is one file");
    dir
}

/// Why nothing can be copied.
async fn refused(store: &SqlStore) -> String {
    let (_dir, file) = empty_file();
    match store.copy_to(&file, json!({})).await {
        Err(StoreError::Database(why)) => why.to_string(),
        other => panic_with(&format!("{other:?}")),
    }
}

fn open(dir: &TempDir) -> SqlStore {
    SqlStore::open(dir.path(), Arc::new(key(7)), Arc::new(ManualClock::default())).unwrap()
}

/// The rows of a table, in the order of what is in them; without these columns.
fn rows(conn: &Connection, table: &str, without: &[&str]) -> Vec<Vec<Value>> {
    let columns = columns_here(conn).into_iter().filter(|(of, name)| of == table && !without.contains(&name.as_str()));
    let columns: Vec<_> = columns.map(|(_, name)| format!("\"{name}\"")).collect();
    let sql = format!("SELECT {0} FROM \"{table}\" ORDER BY {0}", columns.join(","));
    let mut statement = conn.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| (0..columns.len()).map(|at| row.get(at)).collect::<Result<_, _>>());
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn what_went_to_a_server_comes_back_as_it_was() {
    let Some(url) = database() else { return };
    let dir = tempfile::tempdir().unwrap();
    drop(world_in(dir.path()));
    let here = database_of(&dir);
    fill(&here);
    // There is a character that a server has no room for, and whoever had work under way is gone.
    here.execute_batch(
        "UPDATE log SET text = 'ä\u{1f980} ' || char(10); UPDATE sqlite_sequence SET seq = 4711 WHERE name = 'audit';
         UPDATE work SET lease_owner = NULL, lease_until = NULL, lease_token = NULL",
    )
    .unwrap();
    relocate(dir.path(), &url).unwrap();
    let store = node(&url, "one", &Arc::new(ManualClock::default())).unwrap();
    let copied = copy(&store).await;
    let back = database_of(&copied);

    assert_eq!(columns_here(&back), columns_here(&here));
    let tables: BTreeSet<String> = columns_here(&here).into_iter().map(|(table, _)| table).collect();
    for table in tables.iter().filter(|table| !OF_NODES.contains(&table.as_str()) && *table != "audit") {
        let without: &[&str] = if table == "installation" { &["clock_ms"] } else { &[] };
        assert_eq!(rows(&back, table, without), rows(&here, table, without), "{table}");
        assert!(table == "installation" || rows(&back, table, without).len() == 3, "{table}");
    }
    for table in OF_NODES {
        assert_eq!(rows(&back, table, &[]), Vec::<Vec<Value>>::new(), "{table}");
    }
    // The move was written down, and the copy; the next one gets the next number.
    assert_eq!(rows(&back, "audit", &[]).len(), 5);
    let last: i64 =
        back.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'audit'", [], |row| row.get(0)).unwrap();
    assert_eq!(last, 4713);
}

#[tokio::test]
async fn whoever_goes_on_from_a_copy_has_what_all_nodes_had() {
    let Some(url) = database() else { return };
    let clock = Arc::new(ManualClock::default());
    let (one, two) = (Arc::new(node(&url, "one", &clock).unwrap()), node(&url, "two", &clock).unwrap());
    let world = World::new(Arc::clone(&clock), Box::new(move || one.clone() as Arc<dyn Store>));
    world.clock.advance_ms(3_600_000);
    let app = world.app("shop").await;
    let own = vec![("OWN".parse().unwrap(), Some(SecretString::new("mine")))];
    two.patch_app_config(&app, own).await.unwrap().unwrap();
    world.ready(new_addon(&world, Some(&app)).declares(&["A_URL"]), config(&[("A_URL", "a")])).await;
    let driven = world.create(new_addon(&world, Some(&app)).named("b")).await;
    let turn = world.turn().await.unwrap();
    let state = GuestState::from([("k".into(), vec![1])]);
    world.store.checkpoint(&turn.lease, driven, &state).await.unwrap();

    let copied = copy(&two).await;
    let now = world.store.now();
    let records = world.store.addons(crate::lists::everything()).await.unwrap();
    let history = world.store.history(None, 0, 100).await.unwrap();
    let installation = world.store.installation();
    drop((world, two));
    let world = world_in(copied.path());
    assert_eq!((world.store.installation(), world.store.now() <= now), (installation, true));
    assert!(now.since_ms(world.store.now()) < 60_000, "{:?}, after {now:?}", world.store.now());
    assert_eq!(world.store.addons(crate::lists::everything()).await.unwrap(), records);
    assert_eq!(world.store.history(None, 0, 100).await.unwrap(), history);
    assert_eq!(world.sees(&app).await, ["A_URL=a", "OWN=mine"]);
    assert_eq!(world.store.guest_state(driven).await.unwrap(), state);
    let entry = world.store.audit(None, None, 1).await.unwrap().remove(0);
    assert_eq!((entry.action, entry.data), (Action::BackedUp, json!({ "why": "a test" })));
    // Whoever held the lease is elsewhere.
    let again = world.turn().await.unwrap();
    assert!(again.record.spec.id == driven && again.lease.token > turn.lease.token);
}

#[tokio::test]
async fn the_time_of_a_copy_is_what_the_server_says() {
    let Some(url) = database() else { return };
    let store = node_by_the_server(&url).unwrap();
    store.create_app(&"shop".parse().unwrap()).await.unwrap();
    // As if a while had passed in which nobody stored anything.
    let noted = |dir: &TempDir| -> u64 {
        database_of(dir).query_row("SELECT clock_ms FROM installation", [], |row| row.get(0)).unwrap()
    };
    alter(&url, "UPDATE installation SET clock_zero_ms = clock_zero_ms - 30000");
    let before = store.now().0;
    let copied = copy(&store).await;
    let (noted, after) = (noted(&copied), store.now().0);
    assert!(noted >= before + 29_000 && noted <= after + 1_000, "{before} {noted} {after}");
    // One that has been set back takes no time back.
    alter(&url, "UPDATE installation SET clock_zero_ms = clock_zero_ms + 40000");
    let copied = copy(&store).await;
    assert!(self::open(&copied).now().0 >= noted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_of_one_moment_whatever_nodes_write_meanwhile() {
    let Some(url) = database() else { return };
    let clock = Arc::new(ManualClock::default());
    let copying = node(&url, "copying", &clock).unwrap();
    let (going_on, mut tasks, mut apps) = (Arc::new(AtomicU64::new(1)), vec![], vec![]);
    for number in 0..WRITERS {
        let store = node(&url, &format!("node-{number}"), &clock).unwrap();
        let app: AppName = format!("app-{number}").parse().unwrap();
        store.create_app(&app).await.unwrap();
        let written = Arc::new(AtomicU64::new(0));
        apps.push((app.clone(), Arc::clone(&written)));
        let going_on = Arc::clone(&going_on);
        tasks.push(tokio::spawn(async move { write_pairs(&store, &app, &written, &going_on).await }));
    }
    let all = || apps.iter().map(|(_, written)| written.load(Ordering::SeqCst)).collect::<Vec<_>>();
    while all().contains(&0) {
        yield_now().await;
    }
    let mut grew = false;
    for _ in 0..COPIES {
        let before = all();
        let copied = copy(&copying).await;
        let after = all();
        grew |= before != after;
        let copied = open(&copied);
        for (at, (app, _)) in apps.iter().enumerate() {
            let [a, b] = pair(&copied, app).await;
            let (least, most) = (before[at], after[at] + 1);
            assert!(a == b && (least..=most).contains(&a), "{a} {b}, between {least} and {most}");
        }
    }
    going_on.store(0, Ordering::SeqCst);
    assert!(grew, "others wrote while a copy was made");
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn what_nobody_knows_is_not_left_out_in_silence() {
    let Some(url) = database() else { return };
    let store = node(&url, "one", &Arc::new(ManualClock::default())).unwrap();
    copy(&store).await;
    for (before, named, after) in [
        (
            "ALTER TABLE app ADD COLUMN mystery BIGINT",
            "column mystery of the table app",
            "ALTER TABLE app DROP COLUMN mystery",
        ),
        ("CREATE TABLE riddle (word TEXT)", "column word of the table riddle", "DROP TABLE riddle"),
        (
            "ALTER TABLE app RENAME COLUMN network TO net",
            "column net of the table app",
            "ALTER TABLE app RENAME COLUMN net TO network",
        ),
        (
            "ALTER TABLE log DROP COLUMN text",
            "no the column text of the table log",
            "ALTER TABLE log ADD COLUMN text TEXT NOT NULL",
        ),
        (
            "UPDATE schema_version SET version = version + 1",
            "schema",
            "UPDATE schema_version SET version = version - 1",
        ),
        (
            "UPDATE schema_version SET version = version - 1",
            "schema",
            "UPDATE schema_version SET version = version + 1",
        ),
    ] {
        alter(&url, before);
        let why = refused(&store).await;
        assert!(why.contains(named), "{before}: {why}");
        alter(&url, after);
        copy(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_nobody_waits_for_is_broken_off() {
    let Some(url) = database() else { return };
    let store = Arc::new(node(&url, "one", &Arc::new(ManualClock::default())).unwrap());
    let (_dir, file) = empty_file();
    let (begin, begun) = (mpsc::channel(), mpsc::channel());
    let holder = {
        let (url, end, begun) = (url.clone(), begin.1, begun.0);
        thread::spawn(move || {
            let mut holder = Client::connect(&url, NoTls).unwrap();
            holder.batch_execute("BEGIN; LOCK TABLE history IN ACCESS EXCLUSIVE MODE").unwrap();
            begun.send(()).unwrap();
            end.recv().unwrap();
        })
    };
    begun.1.recv().unwrap();
    let copying = {
        let (store, file) = (Arc::clone(&store), file.clone());
        tokio::spawn(async move { store.copy_to(&file, json!({})).await })
    };
    let waiting = "SELECT '', count(*)::text FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%\"history\"%'";
    until(&url, waiting, "1").await;
    copying.abort();
    assert!(copying.await.unwrap_err().is_cancelled());
    begin.0.send(()).unwrap();
    holder.join().unwrap();
    let copies = "SELECT '', count(*)::text FROM pg_locks JOIN pg_database ON pg_database.oid = database
                  WHERE datname = current_database() AND locktype = 'advisory' AND mode = 'ShareLock'";
    until(&url, copies, "0").await;
    let rows: u64 =
        Connection::open(&file).unwrap().query_row("SELECT count(*) FROM installation", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0, "it did not go on to its end");
    copy(&store).await;
}

/// Waits until a database says this.
async fn until(url: &str, sql: &'static str, said: &str) {
    let waiting = async {
        while asked(url, sql)[0].1 != said {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.unwrap();
}
