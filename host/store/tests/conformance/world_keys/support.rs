//! An installation with key files, something in every sealed column of it, and what is left of a key.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use larder_domain::node::SILENT_MS_MAX;
use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::store::{
    AddonStore as _, AppStore as _, Change, EngineStore as _, Fence, NodeStore as _, ObjectStore as _,
};
use larder_domain::ports::{Sealer as _, Store, StoreError};
use larder_domain::secret::Seed;
use larder_domain::{AddonId, AppName, Event, SecretString};
use larder_store::sql::{Driven, KeyDriving, KeyStop};
use larder_store::{Clock, KeyfileSealer, ManualClock, OpenError, Server, SqlStore, Time};
use postgres::{Client, NoTls};
use serde_json::json;
use tempfile::TempDir;

use crate::world::{Build as _, World, change, config, new_addon};
use crate::world_postgres::{database, tls};

const SECRETS: [&str; 4] = ["parameter", "pg://credential", "state", "issued"];
/// Variables of an app of its own: several pages of them.
pub(super) const VARIABLES: usize = 150;
/// More steps than any rotation here has.
const STEPS_MAX: usize = 500;
/// How often it is tried to compact; each takes a connection of its own, and so some milliseconds.
const COMPACTIONS_MAX: usize = 100;

/// A database whose nodes have key files.
pub(super) struct Installation {
    pub(super) url: String,
    clock: Arc<ManualClock>,
    dir: TempDir,
}

/// A node of it.
pub(super) struct Member {
    pub(super) store: Arc<SqlStore>,
    pub(super) sealer: Arc<KeyfileSealer>,
    pub(super) file: PathBuf,
}

impl Installation {
    pub(super) fn new() -> Option<Self> {
        Some(Self { url: database()?, clock: Arc::default(), dir: TempDir::new().unwrap() })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A node, with its own key file, which begins as a copy of the first one's.
    pub(super) fn node(&self, name: &str) -> Member {
        self.try_node(name).unwrap()
    }

    pub(super) fn try_node(&self, name: &str) -> Result<Member, OpenError> {
        let (file, first) = (self.file(name), self.file("a"));
        if !file.exists() && first.exists() {
            fs::copy(first, &file).unwrap();
        }
        let sealer = Arc::new(KeyfileSealer::from_file_or_create(&file).unwrap());
        let server = Server {
            url: SecretString::new(&self.url),
            tls: tls(),
            time: Time::Given,
            node: name.parse().unwrap(),
            home: uuid::Uuid::from_u128(name.bytes().map(u128::from).sum()),
        };
        let store = SqlStore::connect(server, sealer.clone(), Arc::clone(&self.clock) as Arc<dyn Clock>)?;
        Ok(Member { store: Arc::new(store), sealer, file })
    }

    /// What a database says. Its client can't wait where a test does.
    pub(super) fn ask<T: Send + 'static>(&self, ask: impl FnOnce(&mut Client) -> T + Send + 'static) -> T {
        let url = self.url.clone();
        thread::spawn(move || ask(&mut Client::connect(&url, NoTls).unwrap())).join().unwrap()
    }

    /// The columns in which something stands that this key has sealed.
    pub(super) fn columns_with(&self, key: &str) -> BTreeSet<String> {
        let prefix = prefix(key);
        self.ask(move |client| {
            let sql = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns
                       WHERE table_schema = 'public' AND data_type = 'bytea'";
            let columns: Vec<(String, String)> =
                client.query(sql, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
            let mut has = |(table, column): &(String, String)| {
                let sql = format!("SELECT count(*) FROM {table} WHERE position($1 IN {column}) > 0");
                client.query_one(&sql, &[&prefix]).unwrap().get::<_, i64>(0) > 0
            };
            columns.into_iter().filter(|it| has(it)).map(|(table, column)| format!("{table}.{column}")).collect()
        })
    }

    /// The tables in whose files something stands that this key has sealed, in use or not.
    pub(super) fn files_with(&self, key: &str) -> Vec<String> {
        let prefix = prefix(key);
        self.ask(move |client| {
            client.batch_execute("CHECKPOINT").unwrap();
            let sql = "SELECT CAST(oid AS TEXT), CAST(relname AS TEXT), pg_relation_filepath(oid) FROM pg_class
                       WHERE relkind IN ('r', 't') AND relnamespace IN ('public'::regnamespace, 'pg_toast'::regnamespace)
                       AND position($1 IN pg_read_binary_file(pg_relation_filepath(oid))) > 0 ORDER BY relname";
            client.query(sql, &[&prefix]).unwrap().iter().map(|row| row.get(1)).collect()
        })
    }

    /// Whoever does not say that they live is taken for gone. Nodes join by the server's clock, which may be ahead.
    pub(super) fn pass_by(&self) {
        self.clock.advance_ms(SILENT_MS_MAX + 60_000);
    }
}

/// The bytes with which everything begins that a key has sealed.
fn prefix(key: &str) -> Vec<u8> {
    let id = (0..8).step_by(2).map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap());
    std::iter::once(1).chain(id).collect()
}

impl Member {
    pub(super) fn world(&self, installation: &Installation) -> World {
        let store = Arc::clone(&self.store);
        World::new(Arc::clone(&installation.clock), Box::new(move || Arc::clone(&store) as Arc<dyn Store>))
    }

    pub(super) fn lines(&self) -> usize {
        fs::read_to_string(&self.file).unwrap().lines().count()
    }

    pub(super) async fn begin(&self) {
        self.store.begin_key_rotation().await.unwrap().unwrap();
    }

    pub(super) async fn driving(&self) -> KeyDriving<'_> {
        self.store.key_driving(false).await.unwrap().unwrap()
    }

    pub(super) async fn set(&self, app: &AppName, name: &str, value: &str) -> Result<(), StoreError> {
        let patch = vec![(name.parse().unwrap(), Some(SecretString::new(value)))];
        self.store.patch_app_config(app, patch).await.map(Result::unwrap)
    }

    pub(super) async fn value(&self, app: &AppName, name: &str) -> Result<String, StoreError> {
        let seen = self.store.app_config(app).await?.unwrap();
        Ok(seen.iter().find(|variable| variable.name.as_str() == name).unwrap().value.reveal().to_owned())
    }
}

/// Steps until there are none, while these say that they live.
pub(super) async fn drive(driving: &mut KeyDriving<'_>, others: &[&Member]) -> Result<Driven, KeyStop> {
    let mut compactions = 0;
    for _ in 0..STEPS_MAX {
        match driving.step().await? {
            Driven::Goes | Driven::Settles => {}
            Driven::Waits(_) => {
                for other in others {
                    other.store.beat().await.unwrap();
                }
            }
            // The server's own sweeper sees old rows for a moment, too.
            Driven::Compacts if compactions < COMPACTIONS_MAX => compactions += 1,
            driven => return Ok(driven),
        }
    }
    Ok(Driven::Goes)
}

/// One step, after which another says that it lives.
pub(super) async fn drive_once(driving: &mut KeyDriving<'_>, other: &Member) {
    driving.step().await.unwrap();
    other.store.beat().await.unwrap();
}

/// Steps until one has come to this.
pub(super) async fn steps_to(driving: &mut KeyDriving<'_>, what: &Driven) -> bool {
    for _ in 0..STEPS_MAX {
        if driving.step().await.unwrap() == *what {
            return true;
        }
    }
    false
}

/// Something in every sealed column.
pub(super) async fn fill(installation: &Installation, member: &Member) -> AddonId {
    let world = member.world(installation);
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
    let seal = |place: &str, plain: &str| member.sealer.seal(place, plain.as_bytes()).unwrap();
    let of_addon = |what: &str, plain: &str| seal(&format!("addon/{id}/{what}"), plain);
    let document = of_addon("object/data", r#"{"kind":"volume","name":"data"}"#);
    let detail = ["parameters", "state", "transfer"].map(|what| of_addon(what, "{}"));
    let (definition, options) = (seal("engine/rack/definition", "{}"), seal("provider/pg/options", "{}"));
    let key = id.0.as_bytes().to_vec();
    installation.ask(move |client| {
        let [parameters, state, transfer] = detail;
        let sql = "INSERT INTO operation_detail (addon, new_parameters, old_state, transfer) VALUES ($1, $2, $3, $4)";
        client.execute(sql, &[&key, &parameters, &state, &transfer]).unwrap();
        let sql = "INSERT INTO docker_object (addon, name, provider, wanted, revision, document, phase, message)
                   VALUES ($1, 'data', 'pg', TRUE, 1, $2, 'made', '')";
        client.execute(sql, &[&key, &document]).unwrap();
        let sql = "INSERT INTO operation_object (addon, name, document) VALUES ($1, 'data', $2)";
        client.execute(sql, &[&key, &document]).unwrap();
        let sql = "INSERT INTO added_engine (name, url, definition) VALUES ('rack', 'tcp://rack:2376', $1)";
        client.execute(sql, &[&definition]).unwrap();
        let sql = "INSERT INTO provider (name, component_kind, options) VALUES ('pg', 'provider', $1)";
        client.execute(sql, &[&options]).unwrap();
    });
    id
}

/// Reads everything that is sealed, through the store.
pub(super) async fn assert_readable(member: &Member, id: AddonId) {
    let (store, app): (_, AppName) = (&member.store, "shop".parse().unwrap());
    let seen = store.app_config(&app).await.unwrap().unwrap();
    for variable in seen.iter().filter(|variable| variable.name.as_str() != "LATE") {
        let name = variable.name.as_str();
        let value = name.strip_prefix('V').map_or(SECRETS[1].to_owned(), |number| format!("value {number}"));
        assert_eq!(variable.value.reveal(), value, "{name}");
    }
    assert!(seen.len() > VARIABLES);
    assert_eq!(store.addon(id).await.unwrap().unwrap().spec.parameters.reveal(), &json!({ "password": SECRETS[0] }));
    let objects = store.objects(id).await.unwrap();
    assert_eq!(objects.iter().map(|object| object.name.to_string()).collect::<Vec<_>>(), ["data"]);
    assert_eq!(store.added_engines().await.unwrap().1[0].definition.as_ref().unwrap().reveal(), &json!({}));
}
