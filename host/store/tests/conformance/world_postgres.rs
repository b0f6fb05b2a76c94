//! Worlds over PostgreSQL: one server for all tests of a run, in a container, and a database for each. Tests of another ring, since
//! they need an engine.

use std::env;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use larder_domain::SecretString;
use larder_domain::ports::Store;
use larder_domain::ports::store::AppStore as _;
use larder_store::{Clock, KeyfileSealer, ManualClock, OpenError, Server, SqlStore, SystemClock, Time};
use postgres::{Client, NoTls};
use rustls::{ClientConfig, RootCertStore};

use crate::world::{World, used};

pub(crate) fn world() -> Option<World> {
    let url = database()?;
    let clock = Arc::new(ManualClock::default());
    let open = {
        let clock = Arc::clone(&clock);
        move || {
            let sealer = Arc::new(KeyfileSealer::from_key(&[7; 32]));
            let server = Server {
                url: SecretString::new(&url),
                tls: tls(),
                time: Time::Given,
                node: "one".parse().unwrap(),
                home: uuid::Uuid::nil(),
            };
            Arc::new(SqlStore::connect(server, sealer, clock.clone()).unwrap()) as Arc<dyn Store>
        }
    };
    Some(World::new(clock, Box::new(open)))
}

/// The server has no certificate, so nobody is trusted.
pub(crate) fn tls() -> ClientConfig {
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}

/// A new database; none where there is no server to be had.
pub(crate) fn database() -> Option<String> {
    static SERVER: OnceLock<Option<Container>> = OnceLock::new();
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let server = SERVER.get_or_init(Container::start).as_ref()?;
    let name = format!("larder_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let (url, sql) = (server.url("postgres"), format!("CREATE DATABASE {name}"));
    // Its client can't wait where a test does.
    let made = thread::spawn(move || Client::connect(&url, NoTls).unwrap().batch_execute(&sql));
    made.join().unwrap().unwrap();
    Some(server.url(&name))
}

/// Runs statements in a database. Their client can't wait where a test does.
pub(crate) fn alter(url: &str, sql: &'static str) {
    let url = url.to_owned();
    thread::spawn(move || Client::connect(&url, NoTls).unwrap().batch_execute(sql)).join().unwrap().unwrap();
}

fn open(url: &str) -> Result<SqlStore, OpenError> {
    node(url, "one", &Arc::new(ManualClock::default()))
}

/// A node of that name, on a clock that others may have too.
pub(crate) fn node(url: &str, name: &str, clock: &Arc<ManualClock>) -> Result<SqlStore, OpenError> {
    let server = Server {
        url: SecretString::new(url),
        tls: tls(),
        time: Time::Given,
        node: name.parse().unwrap(),
        home: uuid::Uuid::from_u128(name.bytes().map(u128::from).sum()),
    };
    SqlStore::connect(server, Arc::new(KeyfileSealer::from_key(&[7; 32])), Arc::clone(clock) as Arc<dyn Clock>)
}

#[tokio::test]
async fn what_fails_in_the_server_fails_alone() {
    let Some(url) = database() else { return };
    let store = open(&url).unwrap();
    alter(&url, "ALTER TABLE app ADD CONSTRAINT trap CHECK (name <> 'trap')");
    let (fine, trap) = ("fine".parse().unwrap(), "trap".parse().unwrap());
    for _ in 0..2 {
        let (stored, trapped) = tokio::join!(store.create_app(&fine), store.create_app(&trap));
        assert!(stored.is_ok() && trapped.is_err(), "{stored:?}, {trapped:?}");
        assert_eq!(store.app_use(&fine).await.unwrap(), Some(used(0)));
    }
    alter(&url, "ALTER TABLE app RENAME COLUMN live_addons TO dead_addons");
    assert!(store.app_use(&fine).await.is_err());
    alter(&url, "ALTER TABLE app RENAME COLUMN dead_addons TO live_addons");
    assert_eq!(store.app_use(&fine).await.unwrap(), Some(used(0)));
}

#[tokio::test]
async fn a_database_of_somebody_elses_is_left_alone() {
    for theirs in ["CREATE TABLE app (id INT)", "CREATE TABLE schema_version (x INT); CREATE TABLE mine (x INT)"] {
        let Some(url) = database() else { return };
        alter(&url, theirs);
        assert!(matches!(open(&url), Err(OpenError::Foreign)), "{theirs}");
    }
}

/// A node on the server's own time.
pub(crate) fn node_by_the_server(url: &str) -> Result<SqlStore, OpenError> {
    let node = "one".parse().unwrap();
    let server = Server { url: SecretString::new(url), tls: tls(), time: Time::Servers, node, home: uuid::Uuid::nil() };
    SqlStore::connect(server, Arc::new(KeyfileSealer::from_key(&[7; 32])), Arc::new(SystemClock::new()))
}

/// A server that ends with this process.
struct Container {
    port: u16,
    /// Held open: what ends the server is that nobody holds its input any more, however this process ends.
    _keeper: Child,
}

/// Removes a container when nobody is there any more.
const KEEPER: &str = r#"read -r _; docker --host "$1" rm --force --volumes "$2" >/dev/null"#;

impl Container {
    fn start() -> Option<Self> {
        let Some(engine) = env::var("LARDER_ENGINE").ok() else {
            skip("there is no engine");
            return None;
        };
        let docker = |words: &[&str]| {
            let mut docker = Command::new("docker");
            docker.args(["--host", &engine]).args(words);
            docker
        };
        let mut run = docker(&["run", "--detach", "--publish", "127.0.0.1::5432", "--env", "POSTGRES_PASSWORD=larder"]);
        let name = said(run.args(["larder-test/postgres:1", "-c", "fsync=off", "-c", "max_connections=400"]));
        let keeper = Command::new("sh").args(["-c", KEEPER, "sh", &engine, &name]).stdin(Stdio::piped()).spawn();
        let keeper = keeper.unwrap();
        let mut logs = docker(&["logs", "--follow", &name]);
        let mut logs = logs.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(logs.stderr.take().unwrap()).lines().map_while(Result::ok);
        // What sets up the image may have said that it is ready, and could not be reached.
        let mut lines = lines.skip_while(|line| !line.contains("listening on IPv4 address"));
        assert!(lines.any(|line| line.contains("ready to accept connections")), "the server has ended");
        logs.kill().unwrap();
        logs.wait().unwrap();
        let port = said(&mut docker(&["port", &name, "5432"]));
        let port = port.rsplit(':').next().unwrap().parse().unwrap();
        Some(Self { port, _keeper: keeper })
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres:larder@127.0.0.1:{}/{database}", self.port)
    }
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Notes that none of these tests can run here.
fn skip(why: &str) {
    if let Some(skips) = env::var_os("LARDER_TEST_SKIPS") {
        let mut file = File::options().append(true).create(true).open(skips).unwrap();
        file.write_all(format!("world_postgres: the store's conformance suite\t{why}\n").as_bytes()).unwrap();
    }
}
