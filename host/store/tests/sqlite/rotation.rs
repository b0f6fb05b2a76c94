//! A new key for everything that is sealed, while others write, and broken off anywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use larder_domain::ports::Sealer;
use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::store::{AddonStore, AppStore, Change, EngineStore, Fence, Store};
use larder_domain::secret::Seed;
use larder_domain::{AddonId, AppName, Event, SecretString};
use larder_store::{KeyfileSealer, ManualClock, SqlStore};
use serde_json::json;
use tempfile::TempDir;

use crate::beside;
use crate::world::{Build, World, change, config, new_addon};

const SECRETS: [&str; 4] = ["parameter", "pg://credential", "state", "issued"];
/// Variables of an app of its own: several pages of them.
const VARIABLES: usize = 150;

/// A data directory with its key file, and the store on it.
struct Place {
    dir: TempDir,
    sealer: Arc<KeyfileSealer>,
    store: Arc<SqlStore>,
}

impl Place {
    fn new() -> Self {
        Self::at(TempDir::new().unwrap())
    }

    fn at(dir: TempDir) -> Self {
        let sealer = Arc::new(KeyfileSealer::from_file_or_create(&key_file(dir.path())).unwrap());
        let store = SqlStore::open(dir.path(), sealer.clone(), Arc::new(ManualClock::default())).unwrap();
        Self { dir, sealer, store: Arc::new(store) }
    }

    fn key_file(&self) -> PathBuf {
        key_file(self.dir.path())
    }

    fn world(&self) -> World {
        let store = Arc::clone(&self.store);
        World::new(Arc::default(), Box::new(move || Arc::clone(&store) as Arc<dyn Store>))
    }

    async fn pass(&self) -> u64 {
        let (mut pass, mut all) = (self.store.reseal(&self.sealer), 0);
        while let Some(resealed) = pass.step().await.unwrap() {
            all += resealed;
        }
        all
    }

    async fn finish(&self) {
        while self.pass().await > 0 {}
        self.store.refuse_old_keys(&self.sealer).await.unwrap();
        while self.pass().await > 0 {}
        assert_eq!(self.store.count_old_keys(&self.sealer).await.unwrap(), []);
        self.sealer.drop_old_keys(&self.sealer.key_id()).unwrap();
    }

    /// The same data, in a process of its own.
    fn restarted(self) -> Self {
        let Self { dir, sealer, store } = self;
        drop((sealer, store));
        Self::at(dir)
    }
}

fn key_file(dir: &Path) -> PathBuf {
    dir.join("sealing.key")
}

/// Something in every sealed column.
async fn fill(place: &Place) -> AddonId {
    let world = place.world();
    let app = world.app("shop").await;
    let names =
        (0..VARIABLES).map(|n| (format!("V{n}").parse().unwrap(), Some(SecretString::new(format!("value {n}")))));
    world.store.patch_app_config(&app, names.collect()).await.unwrap().unwrap();
    let mut new = new_addon(&world, Some(&app)).declares(&["A_URL"]);
    new.spec.parameters = json!({ "password": SECRETS[0] }).into();
    new.seed = Seed([7; 32]);
    let id = world.create(new).await;
    let (turn, _) = world.provision(config(&[("A_URL", SECRETS[1])])).await;
    let state = GuestState::from([("password".into(), SECRETS[2].as_bytes().to_vec())]);
    world.store.checkpoint(&turn.lease, id, &state).await.unwrap();
    let issued = Some(vec![SecretString::new(SECRETS[3])]);
    let ready = change(id, Event::VariablesSet, Fence::Lease(turn.lease));
    world.store.apply(Change { issued, ..ready }).await.unwrap();
    // What only operations and engines have.
    let seal = |what: &str, plain: &str| place.sealer.seal(&format!("addon/{id}/{what}"), plain.as_bytes()).unwrap();
    let (conn, key) = (beside(place.dir.path()), id.0.as_bytes());
    conn.pragma_update(None, "busy_timeout", 5_000).unwrap();
    let document = seal("object/data", r#"{"kind":"volume","name":"data"}"#);
    conn.execute(
        "INSERT INTO operation_detail (addon, new_parameters, old_state, transfer) VALUES (?, ?, ?, ?)",
        (key, seal("parameters", "{}"), seal("state", ""), seal("transfer", "{}")),
    )
    .unwrap();
    let object = "INSERT INTO docker_object (addon, name, provider, wanted, revision, document, phase, message)
                  VALUES (?, 'data', 'pg', 1, 1, ?, 'made', '')";
    conn.execute(object, (key, &document)).unwrap();
    let definition = place.sealer.seal("engine/rack/definition", b"{}").unwrap();
    conn.execute(
        "INSERT INTO added_engine (name, url, definition) VALUES ('rack', 'tcp://rack:2376', ?)",
        [definition],
    )
    .unwrap();
    conn.execute("INSERT INTO operation_object (addon, name, document) VALUES (?, 'data', ?)", (key, &document))
        .unwrap();
    let provider = "INSERT INTO provider (name, component_kind, options) VALUES ('pg', 'provider', ?)";
    conn.execute(provider, [place.sealer.seal("provider/pg/options", b"{}").unwrap()]).unwrap();
    id
}

/// Reads everything that is sealed, through the store.
async fn assert_readable(store: &SqlStore, id: AddonId) {
    let app: AppName = "shop".parse().unwrap();
    let seen = store.app_config(&app).await.unwrap().unwrap();
    assert_eq!(seen.len(), VARIABLES + 1);
    for variable in seen {
        let name = variable.name.as_str();
        let value = name.strip_prefix('V').map_or(SECRETS[1].to_owned(), |number| format!("value {number}"));
        assert_eq!(variable.value.reveal(), value, "{name}");
    }
    assert_eq!(store.addon(id).await.unwrap().unwrap().spec.parameters.reveal(), &json!({ "password": SECRETS[0] }));
    assert_eq!(store.objects_of(id).await, ["data"]);
    assert_eq!(store.added_engines().await.unwrap().1[0].definition.as_ref().unwrap().reveal(), &json!({}));
}

/// Words of the port that are needed here alone.
trait Read {
    async fn objects_of(&self, id: AddonId) -> Vec<String>;
}

impl Read for SqlStore {
    async fn objects_of(&self, id: AddonId) -> Vec<String> {
        let objects = larder_domain::ports::store::ObjectStore::objects(self, id).await.unwrap();
        objects.iter().map(|object| object.name.to_string()).collect()
    }
}

/// In which files something stands that this key has sealed.
fn found(dir: &Path, key: &str) -> Vec<String> {
    let id: Vec<u8> = (0..8).step_by(2).map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap()).collect();
    let prefix = [&[1], &id[..]].concat();
    let has = |path: &Path| fs::read(path).unwrap().windows(prefix.len()).any(|window| window == prefix);
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| has(path));
    files.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn everything_is_sealed_anew_and_nothing_of_the_old_key_is_left_in_any_file() {
    let place = Place::new();
    let id = fill(&place).await;
    let old = place.sealer.key_id();
    place.sealer.add_key().unwrap();
    let before = place.store.count_old_keys(&place.sealer).await.unwrap();
    assert_eq!(before.len(), 14, "there is something in every sealed column: {before:?}");
    let all: u64 = before.iter().map(|(_, count)| count).sum();
    assert_eq!((place.pass().await, place.pass().await), (all, 0));
    let copies: bool = beside(place.dir.path())
        .query_row(
            "SELECT d.document = o.document FROM docker_object d JOIN operation_object o USING (addon, name)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(copies, "an object that an operation has not changed is still seen to be the same");
    place.finish().await;
    assert_readable(&place.store, id).await;
    assert!(!found(place.dir.path(), &old).is_empty(), "what was replaced is still there, where nobody reads it");
    assert!(place.store.compact().await.unwrap());
    assert_eq!(found(place.dir.path(), &old), [""; 0]);
    let place = place.restarted();
    assert_eq!(place.sealer.key_ids().len(), 1);
    assert_ne!(place.sealer.key_id(), old);
    assert_readable(&place.store, id).await;
    assert!(!found(place.dir.path(), &place.sealer.key_id()).is_empty(), "and the search would find something");
}

#[tokio::test]
async fn a_rotation_that_dies_anywhere_goes_on() {
    let place = Place::new();
    let id = fill(&place).await;
    let old = place.sealer.key_id();
    place.sealer.add_key().unwrap();
    let mut left = vec![];
    {
        let mut pass = place.store.reseal(&place.sealer);
        while let Some(_resealed) = pass.step().await.unwrap() {
            // What a process that is killed leaves behind.
            let copy = TempDir::new().unwrap();
            for file in fs::read_dir(place.dir.path()).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
            left.push(copy);
        }
    }
    assert!(left.len() > 14, "there was more than one step to a column");
    for dir in left {
        let place = Place::at(dir);
        assert!(place.sealer.is_rotating());
        assert_readable(&place.store, id).await;
        place.finish().await;
        assert!(place.store.compact().await.unwrap());
        let place = place.restarted();
        assert_readable(&place.store, id).await;
        assert_eq!(found(place.dir.path(), &old), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_writes_meanwhile_loses_nothing_and_is_never_refused() {
    let place = Place::new();
    let id = fill(&place).await;
    let (going_on, mut writers) = (Arc::new(AtomicBool::new(true)), vec![]);
    let written: Arc<[AtomicU64; 3]> = Arc::default();
    for number in 0..3 {
        let app: AppName = format!("app-{number}").parse().unwrap();
        place.store.create_app(&app).await.unwrap();
        let (store, going_on, written) = (Arc::clone(&place.store), Arc::clone(&going_on), Arc::clone(&written));
        writers.push(tokio::spawn(async move {
            for value in 1_u64.. {
                let patch = vec![("A".parse().unwrap(), Some(SecretString::new(value.to_string())))];
                store.patch_app_config(&app, patch).await.unwrap().unwrap();
                written[number].store(value, Ordering::SeqCst);
                if !going_on.load(Ordering::SeqCst) {
                    return;
                }
            }
        }));
    }
    let old = place.sealer.key_id();
    let all = || written.iter().map(|written| written.load(Ordering::SeqCst)).min().unwrap();
    while all() < 5 {
        tokio::task::yield_now().await;
    }
    place.sealer.add_key().unwrap();
    // As the server does: two passes, and whoever sealed before has stored by then.
    while place.pass().await > 0 {}
    let then = all();
    while all() < then + 5 {
        tokio::task::yield_now().await;
    }
    place.finish().await;
    going_on.store(false, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(place.store.compact().await.unwrap());
    assert_eq!(found(place.dir.path(), &old), [""; 0]);
    let place = place.restarted();
    assert_readable(&place.store, id).await;
    for (number, written) in written.iter().enumerate() {
        let seen = place.store.app_config(&format!("app-{number}").parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(seen[0].value.reveal(), written.load(Ordering::SeqCst).to_string());
    }
}

#[tokio::test]
async fn what_was_sealed_before_and_comes_after_the_end_is_refused() {
    let place = Place::new();
    // Somebody who has the old key in hand, and has not heard of the new one.
    let rotated = Arc::new(KeyfileSealer::from_file(&place.key_file()).unwrap());
    rotated.add_key().unwrap();
    let app: AppName = "shop".parse().unwrap();
    place.store.create_app(&app).await.unwrap();
    let set = async |name: &str| {
        let patch = vec![(name.parse().unwrap(), Some(SecretString::new("x")))];
        place.store.patch_app_config(&app, patch).await
    };
    set("A").await.unwrap().unwrap();
    let mut pass = place.store.reseal(&rotated);
    while let Some(_resealed) = pass.step().await.unwrap() {}
    set("B").await.unwrap().unwrap();
    assert_eq!(place.store.count_old_keys(&rotated).await.unwrap(), [("app_variable.value".to_owned(), 1)]);
    place.store.refuse_old_keys(&rotated).await.unwrap();
    place.store.refuse_old_keys(&rotated).await.unwrap();
    for name in ["A", "B", "C"] {
        assert!(set(name).await.is_err(), "{name} was stored");
    }
    let mut pass = place.store.reseal(&rotated);
    let mut resealed = 0;
    while let Some(count) = pass.step().await.unwrap() {
        resealed += count;
    }
    assert_eq!((resealed, place.store.count_old_keys(&rotated).await.unwrap()), (1, vec![]));
}

#[tokio::test]
async fn something_sealed_that_nobody_knows_of_is_found() {
    let place = Place::new();
    let conn = beside(place.dir.path());
    conn.execute_batch("CREATE TABLE later (id INTEGER PRIMARY KEY, secret BLOB) STRICT").unwrap();
    let sealed = place.sealer.seal("later/1", b"").unwrap();
    conn.execute("INSERT INTO later (secret) VALUES (?)", [sealed]).unwrap();
    place.sealer.add_key().unwrap();
    while place.pass().await > 0 {}
    assert_eq!(place.store.count_old_keys(&place.sealer).await.unwrap(), [("later.secret".to_owned(), 1)]);
}

#[tokio::test]
async fn a_value_that_can_not_be_opened_stops_the_rotation_and_keeps_the_key() {
    let place = Place::new();
    let id = fill(&place).await;
    beside(place.dir.path())
        .execute(
            "UPDATE addon_detail SET seed = CAST(substr(seed, 1, 40) || zeroblob(30) AS BLOB) WHERE addon = ?",
            [id.0.as_bytes()],
        )
        .unwrap();
    place.sealer.add_key().unwrap();
    let mut pass = place.store.reseal(&place.sealer);
    let failed = loop {
        match pass.step().await {
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    assert!(failed.is_some_and(|error| error.contains("addon_detail.seed")));
    assert_eq!(KeyfileSealer::from_file(&place.key_file()).unwrap().key_ids().len(), 2);
}
