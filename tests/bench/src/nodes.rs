//! Row `nodes`: calls a second that three nodes make on one PostgreSQL database, over those of one. Each call waits, and each node makes a
//! bounded number at once.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};

use crate::fixture::guest;
use crate::postgres::Postgres;
use crate::report::{Bound, Row, median};
use crate::server::Server;

/// How many nodes there are at most.
const NODES: usize = 3;
/// How many calls a node makes at once.
const CALLS_AT_ONCE: u64 = 32;
/// How long each call waits.
const WAITS_MS: u64 = 50;
/// How long an addon rests between two calls: the shortest pause that a provider can ask for.
const RESTS_MS: u64 = 250;
/// Addons that are called again and again: half as many more than three nodes can be busy with.
const ADDONS: u64 = NODES as u64 * CALLS_AT_ONCE * (WAITS_MS + RESTS_MS) / WAITS_MS * 3 / 2;
/// How often it is measured with each number of nodes.
const ROUNDS: usize = 3;
/// How long each measurement lasts.
const LASTS: Duration = Duration::from_secs(6);
/// Until all nodes have as much to do as they will have.
const HEAD_START: Duration = Duration::from_secs(4);

pub(crate) fn measure() -> Result<Vec<Row>> {
    let Some(postgres) = Postgres::start()? else { return Ok(vec![]) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let one = rate(&runtime, &postgres, 1)?;
    let all = rate(&runtime, &postgres, NODES)?;
    let most = CALLS_AT_ONCE as f64 * 1e3 / WAITS_MS as f64;
    let note = format!(
        "{all:.0} calls/s with {NODES} nodes, {one:.0} with one, {most:.0} is the most that one can make; \
         {ADDONS} addons, medians of {ROUNDS}; nodes and PostgreSQL on the same cores"
    );
    Ok(vec![Row { row: "nodes", value: all / one, bound: Bound::AtLeast(2.5), unit: "× one node", note }])
}

/// Calls a second on a database of its own.
fn rate(runtime: &Runtime, postgres: &Postgres, count: usize) -> Result<f64> {
    let url = postgres.database(&format!("nodes_{count}"))?;
    let words = |node: usize| {
        ["--database", &url, "--engine", "none", "--node-name", &format!("bench-{node}")].map(str::to_owned)
    };
    let mut nodes = vec![Server::start_with(&words(0), None)?];
    let first = Caller { http: Client::new(), url: nodes[0].url.clone(), token: nodes[0].token.clone() };
    runtime.block_on(first.prepare())?;
    for node in 1..count {
        let next = Server::start_with(&words(node), Some(nodes[0].dir()))?;
        nodes.push(next);
    }
    runtime.block_on(async {
        let mut rates = vec![];
        for _ in 0..ROUNDS {
            sleep(HEAD_START).await;
            let (before, began) = (first.calls(&nodes).await?, Instant::now());
            sleep(LASTS).await;
            let made = first.calls(&nodes).await? - before;
            rates.push(made as f64 / began.elapsed().as_secs_f64());
        }
        Ok(median(rates))
    })
}

/// Who asks the first node, and reads what all count.
struct Caller {
    http: Client,
    url: String,
    token: String,
}

impl Caller {
    /// Has addons that are never done: each call waits, and another one follows.
    async fn prepare(&self) -> Result<()> {
        let upload = self.http.post(format!("{}/v1/providers?name=chameleon", self.url)).bearer_auth(&self.token);
        let upload = upload.header("content-type", "application/wasm").header("prefer", "wait=60");
        upload.body(guest("chameleon")?).send().await?.error_for_status()?;
        let provider = format!("{}/v1/providers/chameleon", self.url);
        let shown = self.http.get(&provider).bearer_auth(&self.token).send().await?;
        let tag = shown.headers().get("etag").cloned().context("the provider has no ETag")?;
        let limit = self.http.put(format!("{provider}/limits")).bearer_auth(&self.token).header("if-match", tag);
        let limits = json!({ "limits": { "calls_at_once": CALLS_AT_ONCE } });
        limit.json(&limits).send().await?.error_for_status()?;
        self.ask(Method::PUT, "/v1/apps/bench", &json!({})).await?;
        let pending = json!({ "pending": { "after_ms": RESTS_MS, "message": "not yet", "percent": null } });
        let complete = json!({ "do": [{ "sleep_ms": WAITS_MS }, pending] });
        for number in 0..ADDONS {
            let name = format!("a{number}");
            let addon = json!({
                "service": "chameleon", "name": name, "attach_as": name, "parameters": { "complete": complete },
            });
            self.ask(Method::POST, "/v1/apps/bench/addons", &addon).await?;
        }
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<()> {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        let answer = request.json(body).send().await?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.text().await?);
        Ok(())
    }

    /// Calls that all nodes have made and that succeeded.
    async fn calls(&self, nodes: &[Server]) -> Result<u64> {
        let mut calls = 0;
        for node in nodes {
            let metrics = self.http.get(format!("{}/metrics", node.url)).bearer_auth(&self.token).send().await?;
            for line in metrics.text().await?.lines() {
                let Some(rest) = line.strip_prefix("larder_calls_total{") else { continue };
                if rest.contains("chameleon") && rest.contains("provision-complete") {
                    let count = rest.rsplit(' ').next().context("a metric without a value")?;
                    calls += count.parse::<u64>()?;
                }
            }
        }
        Ok(calls)
    }
}
