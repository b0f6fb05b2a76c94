//! Copies of a store that is written to, and what is made of them.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larder_domain::audit::{Action, Actor};
use larder_domain::ports::store::{AppStore, AuditStore};
use larder_domain::{AppName, SecretString, WallTime};
use larder_store::sql::{AdoptError, adopt_database, check_database};
use larder_store::{KeyfileSealer, ManualClock, SqlStore};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::world::{Build, new_addon, pair, write_pairs};
use crate::world_in;

/// How many copies are taken while others write.
const COPIES: usize = 8;
/// Tasks that write meanwhile.
const WRITERS: usize = 4;

fn open(dir: &Path) -> SqlStore {
    SqlStore::open(dir, Arc::new(key(7)), Arc::new(ManualClock::default())).unwrap()
}

fn key(key: u8) -> KeyfileSealer {
    KeyfileSealer::from_key(&[key; 32])
}

/// A copy in a directory of its own.
async fn copy(store: &SqlStore) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("larder.db");
    std::fs::File::create_new(&file).unwrap();
    store.copy_to(&file, json!({ "why": "a test" })).await.unwrap();
    (dir, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_has_all_that_was_answered_and_no_half_of_anything() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    let (going_on, mut tasks) = (Arc::new(AtomicU64::new(1)), vec![]);
    for number in 0..WRITERS {
        let app: AppName = format!("app-{number}").parse().unwrap();
        store.create_app(&app).await.unwrap();
        let written = Arc::new(AtomicU64::new(0));
        tasks.push((app.clone(), Arc::clone(&written)));
        let (store, going_on) = (Arc::clone(&store), Arc::clone(&going_on));
        tokio::spawn(async move { write_pairs(&store, &app, &written, &going_on).await });
    }
    let all = || tasks.iter().map(|(_, written)| written.load(Ordering::SeqCst)).collect::<Vec<_>>();
    while all().contains(&0) {
        tokio::task::yield_now().await;
    }
    let mut grew = false;
    for _ in 0..COPIES {
        let before = all();
        let (copied, file) = copy(&store).await;
        let after = all();
        grew |= before != after;
        assert!(!copied.path().join("larder.db-wal").exists(), "it is one file");
        check_database(&file, &key(7)).unwrap();
        let copied = open(copied.path());
        for (at, (app, _)) in tasks.iter().enumerate() {
            let [a, b] = pair(&copied, app).await;
            // The last one may have been stored and not yet noted here.
            assert!(
                a == b && a >= before[at] && a <= after[at] + 1,
                "{a} {b}, between {} and {}",
                before[at],
                after[at]
            );
        }
    }
    going_on.store(0, Ordering::SeqCst);
    assert!(grew, "others wrote while a copy was made");
}

#[tokio::test]
async fn a_copy_has_nothing_that_was_deleted_and_is_on_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let app: AppName = "shop".parse().unwrap();
    store.create_app(&app).await.unwrap();
    let large = || Some(SecretString::new("x".repeat(60_000)));
    let names = ["A", "B", "C", "D"].map(|name| name.parse().unwrap());
    store.patch_app_config(&app, names.clone().map(|name| (name, large())).to_vec()).await.unwrap().unwrap();
    store.patch_app_config(&app, names.map(|name| (name, None)).to_vec()).await.unwrap().unwrap();
    let (_dir, file) = copy(&store).await;
    let free = |file: &Path| -> i64 {
        Connection::open(file).unwrap().pragma_query_value(None, "freelist_count", |row| row.get(0)).unwrap()
    };
    assert!(free(&dir.path().join("larder.db")) > 40);
    assert_eq!(free(&file), 0);
    let entry = store.audit(None, None, 9).await.unwrap().remove(0);
    assert_eq!((entry.actor, entry.action, entry.provider), (Actor::Admin, Action::BackedUp, None));
    assert_eq!(entry.data, json!({ "why": "a test" }));
}

#[tokio::test]
async fn what_goes_on_from_a_copy_gives_no_number_again() {
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path());
    let id = world.create(new_addon(&world, None)).await;
    let before = world.store.history(Some(id), 0, 9).await.unwrap().remove(0).id;
    let token = world.turn().await.unwrap().lease.token;
    let left = tempfile::tempdir().unwrap();
    {
        drop(world);
        let store = open(dir.path());
        let file = left.path().join("larder.db");
        std::fs::File::create_new(&file).unwrap();
        store.copy_to(&file, json!({})).await.unwrap();
        adopt_database(&file, WallTime(5), &json!({ "made_at": "then" })).unwrap();
    }
    let world = world_in(left.path());
    let turn = world.turn().await.expect("its work is due");
    assert!(turn.lease.token.0 > token.0 + 1_000_000);
    let other = world.create(new_addon(&world, None).named("other")).await;
    let later = world.store.history(Some(other), 0, 9).await.unwrap().remove(0).id;
    assert!(later > before + 1_000_000 && later < 1 << 53, "and clients can still count so far: {later}");
    let audit = world.store.audit(None, None, 9).await.unwrap();
    let told: Vec<_> = audit.iter().map(|entry| (entry.actor, entry.action)).collect();
    assert_eq!(told[..2], [(Actor::Host, Action::Restored), (Actor::Admin, Action::BackedUp)]);
    assert_eq!((audit[0].at, &audit[0].data), (WallTime(5), &json!({ "made_at": "then" })));
}

#[tokio::test]
async fn what_can_not_be_gone_on_from_is_told_for_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 0..50 {
        store.create_app(&format!("app-{number}").parse().unwrap()).await.unwrap();
    }
    let (copied, file) = copy(&store).await;
    check_database(&file, &key(7)).unwrap();
    assert!(matches!(check_database(&file, &key(8)), Err(AdoptError::Key(_))));

    let set = |version: usize| Connection::open(&file).unwrap().pragma_update(None, "user_version", version).unwrap();
    set(SqlStore::schema() + 1);
    let newer = check_database(&file, &key(7));
    assert!(matches!(newer, Err(AdoptError::Newer { found, known }) if found == known + 1), "{newer:?}");
    set(0);
    assert!(matches!(check_database(&file, &key(7)), Err(AdoptError::Foreign)));
    set(SqlStore::schema());

    // A row whose parent is gone is a mistake that the pages don't show.
    let conn = Connection::open(&file).unwrap();
    conn.execute_batch(
        "PRAGMA foreign_keys = OFF; INSERT INTO app_variable (app, name, value) VALUES ('nobody', 'A', x'00');",
    )
    .unwrap();
    drop(conn);
    let astray = check_database(&file, &key(7));
    assert!(matches!(&astray, Err(AdoptError::Damaged(what)) if what.contains("app_variable")), "{astray:?}");

    let other = copied.path().join("other.db");
    std::fs::write(&other, "no database at all, and long enough to be looked at").unwrap();
    assert!(matches!(check_database(&other, &key(7)), Err(AdoptError::Foreign)));
    let bytes = std::fs::metadata(&file).unwrap().len();
    let page = OpenOptions::new().write(true).open(&file).unwrap();
    for at in (4_096..bytes).step_by(4_096) {
        page.write_all_at(&[0xff; 64], at).unwrap();
    }
    assert!(matches!(check_database(&file, &key(7)), Err(AdoptError::Damaged(_))));
}
