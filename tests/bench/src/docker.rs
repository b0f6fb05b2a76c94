//! Rows `docker_redis`, `communal` and `communal_ms`: addons on a real engine, over what an operator would type.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::fixture::guest;
use crate::report::{Bound, Row, median};
use crate::server::{Server, pause};

/// How often each way is taken, in turn.
const ROUNDS: usize = 9;
/// How long to wait between two tries of a server that starts.
const POLL: std::time::Duration = std::time::Duration::from_millis(2);
/// What Larder gives a container of the smallest plan of `redis`.
const LIKE_LARDER: [&str; 17] = [
    "--memory=201326592",
    "--memory-swap=201326592",
    "--cpus=1",
    "--pids-limit=64",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--read-only",
    "--init",
    "--user=999:999",
    "--tmpfs=/tmp:size=16m",
    "--ipc=private",
    "--cgroupns=private",
    "--log-driver=json-file",
    "--log-opt=max-size=10m",
    "--log-opt=max-file=2",
    "--restart=no",
    "--detach",
];

/// An engine and a host on it.
struct Bench {
    endpoint: String,
    server: Server,
    http: Client,
}

pub(crate) fn measure() -> Result<Vec<Row>> {
    let Ok(endpoint) = std::env::var("LARDER_ENGINE") else {
        eprintln!("the rows of Docker are left out: there is no engine here");
        return Ok(vec![]);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bench = Bench { endpoint, server: Server::start()?, http: Client::new() };
    runtime.block_on(async {
        bench.ask(Method::PUT, "/v1/apps/bench", Some(json!({}))).await?;
        let mut rows = bench.redis().await?;
        rows.extend(bench.postgres().await?);
        Ok(rows)
    })
}

impl Bench {
    async fn redis(&self) -> Result<Vec<Row>> {
        self.install("redis", "redis").await?;
        let network = format!("bench-{}", std::process::id());
        self.docker(&["network", "create", "--opt", "com.docker.network.bridge.enable_icc=false", &network])?;
        let (mut ours, mut bare, mut shared) = (vec![], vec![], vec![]);
        for round in 0..=ROUNDS {
            let started = Instant::now();
            let id = self.ready(json!({ "service": "redis" })).await?["id"].as_str().context("an id")?.to_owned();
            let with_larder = started.elapsed().as_secs_f64();
            self.gone(&id).await?;
            let by_hand = self.run_redis(&network)?;
            let in_shared = self.run_redis("bridge")?;
            // The first round warms both.
            if round > 0 {
                ours.push(with_larder);
                bare.push(by_hand);
                shared.push(in_shared);
            }
        }
        self.docker(&["network", "rm", &network])?;
        let (ours, bare, shared) = (median(ours), median(bare), median(shared));
        let note = format!(
            "POST to ready {:.0} ms, docker run to PONG {:.0} ms ({:.0} ms in the network that all containers share), medians of {ROUNDS}",
            ours * 1e3,
            bare * 1e3,
            shared * 1e3
        );
        Ok(vec![Row {
            row: "docker_redis",
            value: ours / bare,
            bound: Bound::AtMost(1.15),
            unit: "× docker run",
            note,
        }])
    }

    /// What an operator would type: the same limits, a volume, and patience until the server answers. Seconds.
    ///
    /// Like for like is a network in which containers can't reach each other. Engines take longer for one than for the network that
    /// all containers share: each container in it gets a resolver of names.
    fn run_redis(&self, network: &str) -> Result<f64> {
        let name = format!("bench-{}", std::process::id());
        let started = Instant::now();
        let (volume, mount) = (format!("{name}-data"), format!("--volume={name}-data:/data"));
        self.docker(&["volume", "create", &volume])?;
        let own = ["run", "--name", &name, &mount, "--network", network, "--publish=127.0.0.1:20999:6379"];
        let image = ["larder-test/redis:1", "redis-server", "--requirepass", "x", "--appendonly", "yes"];
        self.docker(&[&own[..], &LIKE_LARDER, &image].concat())?;
        while !answers(20999) {
            pause(POLL);
        }
        let taken = started.elapsed().as_secs_f64();
        self.docker(&["rm", "--force", &name])?;
        self.docker(&["volume", "rm", &volume])?;
        Ok(taken)
    }

    async fn postgres(&self) -> Result<Vec<Row>> {
        self.install("postgres", "postgres").await?;
        let asks = |name: &str| json!({ "service": "postgres", "name": name, "attach_as": name, "provision_type": "communal" });
        let first = self.ready(asks("first")).await?;
        let server = first["parent"].as_str().context("a server")?;
        let config = self.ask(Method::GET, &format!("/v1/addons/{server}/config"), None).await?;
        let of = |key: &str| {
            let pairs = config["credentials"].as_array().into_iter().flatten();
            pairs
                .filter(|pair| pair["key"] == key)
                .find_map(|pair| pair["value"].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let (mut ours, mut bare) = (vec![], vec![]);
        for round in 0..=ROUNDS {
            let started = Instant::now();
            self.ready(asks(&format!("u{round}"))).await?;
            let with_larder = started.elapsed().as_secs_f64();
            let role = format!("bench{round}");
            let started = Instant::now();
            let status = Command::new("psql")
                .args(["-h", &of("hostname"), "-p", &of("port"), "-U", &of("username"), "-d", "postgres", "-q"])
                .args([
                    "-c",
                    &format!("CREATE ROLE {role} LOGIN PASSWORD 'x'"),
                    "-c",
                    &format!("CREATE DATABASE {role} OWNER {role}"),
                ])
                .env("PGPASSWORD", of("password"))
                .status()
                .context("psql can't be run: install postgresql-client")?;
            ensure!(status.success(), "psql failed");
            if round > 0 {
                ours.push(with_larder);
                bare.push(started.elapsed().as_secs_f64());
            }
        }
        self.end().await?;
        let (ours, bare) = (median(ours), median(bare));
        let note = format!("POST to ready {:.0} ms, psql {:.0} ms, medians of {ROUNDS}", ours * 1e3, bare * 1e3);
        let ms =
            Row { row: "communal_ms", value: ours * 1e3, bound: Bound::AtMost(300.0), unit: "ms", note: note.clone() };
        let ratio = Row { row: "communal", value: ours / bare, bound: Bound::AtMost(1.3), unit: "× psql", note };
        Ok(vec![ratio, ms])
    }

    /// Deletes all addons, the common server last.
    async fn end(&self) -> Result<()> {
        self.ask(Method::DELETE, "/v1/apps/bench?cascade=true", None).await?;
        loop {
            let left = self.ask(Method::GET, "/v1/addons", None).await?;
            let Some(id) = left["addons"][0]["id"].as_str() else { return Ok(()) };
            // Refused until its users are gone.
            let _refused = self.ask(Method::DELETE, &format!("/v1/addons/{id}"), None).await;
            self.gone(id).await?;
        }
    }

    async fn install(&self, provider: &str, image: &str) -> Result<()> {
        let url = format!("{}/v1/providers?name={provider}", self.server.url);
        let upload = self.http.post(url).bearer_auth(&self.server.token).header("content-type", "application/wasm");
        upload.header("prefer", "wait=60").body(guest(provider)?).send().await?.error_for_status()?;
        let options = json!({ "options": { "image": format!("larder-test/{image}:1") } });
        let provider_url = format!("/v1/providers/{provider}");
        let asks = self.change(&provider_url, "options", options).await?["versions"][0]["requests"].clone();
        let grants: Vec<Value> = asks
            .as_array()
            .into_iter()
            .flatten()
            .map(|asked| json!({ "capability": asked["capability"], "value": asked["value"] }))
            .collect();
        self.change(&provider_url, "grants", json!({ "grants": grants })).await.map(drop)
    }

    async fn change(&self, provider: &str, part: &str, body: Value) -> Result<Value> {
        let get = self.http.get(format!("{}{provider}", self.server.url)).bearer_auth(&self.server.token);
        let tag = get.send().await?.headers().get("etag").cloned().context("the provider has no ETag")?;
        let put = self.http.put(format!("{}{provider}/{part}", self.server.url)).bearer_auth(&self.server.token);
        Ok(put.header("if-match", tag).json(&body).send().await?.error_for_status()?.json().await?)
    }

    async fn ready(&self, body: Value) -> Result<Value> {
        let url = format!("{}/v1/apps/bench/addons", self.server.url);
        let post = self.http.post(url).bearer_auth(&self.server.token).header("prefer", "wait=60");
        let made: Value = post.json(&body).send().await?.json().await?;
        ensure!(made["state"] == "ready", "{made}");
        Ok(made)
    }

    async fn gone(&self, id: &str) -> Result<()> {
        let _may_be_gone = self.ask(Method::DELETE, &format!("/v1/addons/{id}"), None).await;
        for _ in 0..5_000 {
            let addon = self.ask(Method::GET, &format!("/v1/addons/{id}"), None).await?;
            if addon["cleanup"]["state"] == "done" {
                return Ok(());
            }
            pause(POLL);
        }
        anyhow::bail!("the addon {id} was not cleaned up")
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request =
            self.http.request(method, format!("{}{path}", self.server.url)).bearer_auth(&self.server.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Ok(request.send().await?.error_for_status()?.json().await.unwrap_or_default())
    }

    fn docker(&self, words: &[&str]) -> Result<()> {
        let output = Command::new("docker").args(["--host", &self.endpoint]).args(words).output()?;
        ensure!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

/// Whether the server lets us in.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = [0; 12];
    stream.write_all(b"AUTH x\r\nPING\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.ends_with(b"+PONG\r\n")
}
