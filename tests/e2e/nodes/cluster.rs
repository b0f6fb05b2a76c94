//! A database with three nodes, each with a way to it that can be cut.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::database;
use crate::support::{Cut, Host, Postgres, until_within};

/// How many nodes there are.
const NODES: usize = 3;
/// How long a node may take to say why it does not start.
const REFUSED_WITHIN: Duration = Duration::from_secs(40);

/// A node.
pub(super) struct Node {
    pub(super) host: Host,
    pub(super) way: Cut,
}

/// All nodes, and what they share.
pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    server: Postgres,
}

impl Cluster {
    /// Three nodes `node-0` to `node-2`, with an app `demo` and some providers.
    pub(super) async fn start(test: &str) -> Option<Self> {
        Self::start_with(test, &["chameleon", "secret"]).await
    }

    pub(super) async fn start_with(test: &str, providers: &[&str]) -> Option<Self> {
        let own = ["--engine", "none", "--node-name", "installer"];
        let (server, mut installer) = database::host_with(test, providers, &own).await?;
        let mut nodes = vec![];
        for number in 0..NODES {
            let way = Cut::before(server.port);
            let name = format!("node-{number}");
            let words = database::words_through(&server, way.port);
            let host = installer.another(&[&words[..], &["--engine", "none", "--node-name", &name]].concat());
            nodes.push(Node { host, way });
        }
        installer.stop();
        Some(Self { nodes, server })
    }

    /// Starts one more, or hears why not.
    pub(super) async fn try_node(&self, name: &str, arguments: &[&str]) -> (Result<Host, String>, Option<TempDir>) {
        let words = database::words(&self.server);
        let all = [&words[..], &["--node-name", name], arguments].concat();
        let dir = TempDir::new().unwrap();
        for file in ["sealing.key", "admin.token"] {
            std::fs::copy(self.nodes[0].host.dir().join(file), dir.path().join(file)).unwrap();
        }
        let mut serve = Command::new(env!("CARGO_BIN_EXE_larder"));
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path()).args(&all);
        let mut child = serve.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let looked_at = std::cell::RefCell::new(&mut child);
        let has_ended = until_within(REFUSED_WITHIN, "a node that starts, or does not", async || {
            let has_ended = looked_at.borrow_mut().try_wait().unwrap().is_some();
            (has_ended || dir.path().join("server.json").exists()).then_some(has_ended)
        })
        .await;
        if has_ended {
            let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
            return (Err(said), Some(dir));
        }
        // It can start; as one that ends with the test it starts again.
        child.kill().unwrap();
        child.wait().unwrap();
        (Ok(self.nodes[0].host.another(&all)), None)
    }

    /// What a server says that is started with this key, and does not come to serve.
    pub(super) fn refused(&self, name: &str, key: &str) -> String {
        let (words, dir) = (database::words(&self.server), TempDir::new().unwrap());
        std::fs::write(dir.path().join("sealing.key"), key).unwrap();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_larder"));
        serve.args(["serve", "--listen", "127.0.0.1:0", "--engine", "none", "--node-name", name, "--data-dir"]);
        let said = serve.arg(dir.path()).args(words).output().unwrap();
        assert!(!said.status.success());
        String::from_utf8(said.stderr).unwrap()
    }

    /// All that the database holds, as SQL.
    pub(super) fn dump(&self) -> String {
        self.server.dump("larder")
    }

    /// The nodes, as one of them knows them.
    pub(super) async fn list(&self, at: usize) -> Vec<Value> {
        let listed = self.nodes[at].host.get("/v1/nodes").await.expect(200);
        let nodes = listed["nodes"].as_array().unwrap().clone();
        nodes.into_iter().filter(|node| node["name"].as_str().unwrap().starts_with("node-")).collect()
    }

    async fn node(&self, name: &str) -> Value {
        // Of these two, one works in every test.
        let last = self.list(NODES - 1).await;
        last.into_iter().find(|node| node["name"] == name).unwrap_or(Value::Null)
    }

    pub(super) async fn state(&self, name: &str) -> String {
        self.node(name).await["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a node has work: which one.
    pub(super) async fn busy(&self) -> usize {
        until_within(Duration::from_secs(60), "work on a node", async || {
            self.list(0).await.iter().position(|node| node["leases"].as_u64() > Some(0))
        })
        .await
    }

    /// How many pieces of work a node has.
    pub(super) async fn leases(&self, name: &str) -> u64 {
        self.node(name).await["leases"].as_u64().unwrap_or_default()
    }

    pub(super) async fn leases_of_all(&self) -> u64 {
        self.list(NODES - 1).await.iter().map(|node| node["leases"].as_u64().unwrap()).sum()
    }

    /// That something happened to an addon, and once, and that its history has no hole.
    pub(super) async fn has_happened_once(&self, at: usize, addon: &str, kind: &str) {
        let history = self.nodes[at].host.history(addon).await;
        let times = history.iter().filter(|event| event["kind"] == kind).count();
        assert_eq!(times, 1, "{kind}: {history:#?}");
        let ids: Vec<u64> = history.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
    }
}
