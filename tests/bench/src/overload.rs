//! Rows `overload` and `overload_p99`: what a read takes while ten times as much is to be written as can be, by what it takes while just
//! that much is. Nothing may happen then but that writes succeed or are turned away, and no queue may grow over its bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::report::{Bound, Row};
use crate::server::Server;

/// How many clients write at once what can be written: as many as the server carries out at once.
const CLIENTS: usize = 64;
/// How much more is offered.
const TIMES: usize = 10;
/// How long each load lasts that is measured.
const LASTS: Duration = Duration::from_secs(4);
/// Until a load is what it is to be.
const HEAD_START: Duration = Duration::from_millis(500);
/// Between two reads.
const PAUSE: Duration = Duration::from_millis(2);

/// What became of writes.
#[derive(Debug, Default)]
struct Tally {
    done: AtomicU64,
    shed: AtomicU64,
    over: AtomicBool,
}

/// Reads under a load, sorted, and writes a second.
struct Seen {
    reads: Vec<Duration>,
    done: f64,
    offered: f64,
}

impl Seen {
    fn ms(&self, hundredth: usize) -> f64 {
        self.reads[self.reads.len() * hundredth / 100].as_secs_f64() * 1e3
    }
}

pub(crate) fn measure() -> Result<Vec<Row>> {
    let server = Server::start()?;
    let load = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let reader = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let target = Target { url: server.url.clone(), token: server.token.clone() };
    reader.block_on(target.prepare())?;
    let alone = run(&reader, &load, &target, 0, None)?;
    let full = run(&reader, &load, &target, CLIENTS, None)?;
    let pace = Duration::from_secs_f64((CLIENTS * TIMES) as f64 / (full.done * TIMES as f64));
    let over = run(&reader, &load, &target, CLIENTS * TIMES, Some(pace))?;
    let row = |row, hundredth: usize, most| {
        let (alone, full, over) = (alone.ms(hundredth), full.ms(hundredth), over.ms(hundredth));
        (
            Row {
                row,
                value: over / full,
                bound: Bound::AtMost(most),
                unit: "× reads at full load",
                note: String::new(),
            },
            alone,
            full,
            over,
        )
    };
    let noted = |(row, alone, was, now): (Row, f64, f64, f64)| {
        let note = format!(
            "{alone:.2} ms with no writes, {was:.2} ms with {:.0} writes/s, {now:.2} ms with {:.0} offered and {:.0} done",
            full.done, over.offered, over.done
        );
        Row { note, ..row }
    };
    Ok(vec![noted(row("overload", 50, 3.0)), noted(row("overload_p99", 99, 3.0))])
}

/// Puts so many clients on the server, and reads meanwhile.
fn run(
    reader: &tokio::runtime::Runtime,
    load: &tokio::runtime::Runtime,
    target: &Target,
    clients: usize,
    pace: Option<Duration>,
) -> Result<Seen> {
    let tally = Arc::<Tally>::default();
    let http = Client::builder().pool_max_idle_per_host(clients).build()?;
    let writers: Vec<_> = (0..clients)
        .map(|client| load.spawn(write(http.clone(), target.clone(), Arc::clone(&tally), client, pace)))
        .collect();
    let seen = reader.block_on(async {
        sleep(HEAD_START).await;
        let before = (tally.done.load(Ordering::Relaxed), tally.shed.load(Ordering::Relaxed));
        let began = Instant::now();
        let reads = target.reads().await?;
        let seconds = began.elapsed().as_secs_f64();
        let done = (tally.done.load(Ordering::Relaxed) - before.0) as f64 / seconds;
        let shed = (tally.shed.load(Ordering::Relaxed) - before.1) as f64 / seconds;
        anyhow::Ok(Seen { reads, done, offered: done + shed })
    })?;
    tally.over.store(true, Ordering::Relaxed);
    for writer in writers {
        load.block_on(writer)??;
    }
    Ok(seen)
}

/// Writes as fast as it can, or at this pace, until it is over.
async fn write(http: Client, target: Target, tally: Arc<Tally>, client: usize, pace: Option<Duration>) -> Result<()> {
    let mut ticks = pace.map(interval);
    if let Some(ticks) = &mut ticks {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    }
    let url = format!("{}/v1/apps/bench-{}/config", target.url, client % CLIENTS);
    for round in 0_u64.. {
        if tally.over.load(Ordering::Relaxed) {
            break;
        }
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        let body = json!({ format!("V{client}"): round.to_string() });
        let answer = http.patch(&url).bearer_auth(&target.token).json(&body).send().await?;
        let (status, after) = (answer.status().as_u16(), answer.headers().get("retry-after").cloned());
        answer.bytes().await?;
        match status {
            200 => tally.done.fetch_add(1, Ordering::Relaxed),
            429 => {
                let after: u64 = after.context("no Retry-After")?.to_str()?.parse()?;
                ensure!(after >= 1, "Retry-After: {after}");
                tally.shed.fetch_add(1, Ordering::Relaxed)
            }
            other => anyhow::bail!("a write was answered with {other}"),
        };
    }
    Ok(())
}

/// Which server.
#[derive(Debug, Clone)]
struct Target {
    url: String,
    token: String,
}

impl Target {
    async fn prepare(&self) -> Result<()> {
        let http = Client::new();
        for client in 0..CLIENTS {
            let url = format!("{}/v1/apps/bench-{client}", self.url);
            let made = http.put(url).bearer_auth(&self.token).json(&json!({})).send().await?;
            ensure!(made.status().is_success(), "the app was not created: {}", made.status());
        }
        Ok(())
    }

    /// How long reads took, the quickest first.
    async fn reads(&self) -> Result<Vec<Duration>> {
        let (http, url) = (Client::new(), format!("{}/v1/apps/bench-0", self.url));
        let (mut reads, began) = (vec![], Instant::now());
        while began.elapsed() < LASTS {
            let asked = Instant::now();
            let answer = http.get(&url).bearer_auth(&self.token).send().await?;
            ensure!(answer.status().is_success(), "a read was answered with {}", answer.status());
            answer.bytes().await?;
            reads.push(asked.elapsed());
            if reads.len().is_multiple_of(64) {
                self.check_queues(&http).await?;
            }
            sleep(PAUSE).await;
        }
        reads.sort_unstable();
        Ok(reads)
    }

    /// That no queue is longer than it may be.
    async fn check_queues(&self, http: &Client) -> Result<()> {
        let answer = http.get(format!("{}/metrics", self.url)).bearer_auth(&self.token).send().await?;
        let text = answer.text().await?;
        let value = |metric: &str| -> Result<u64> {
            let line = format!("{metric}{{kind=\"write\"}} ");
            let found = text.lines().find_map(|l| l.strip_prefix(&line));
            Ok(found.with_context(|| format!("no {metric}"))?.parse()?)
        };
        for metric in ["larder_requests", "larder_requests_waiting"] {
            let (is, most) = (value(metric)?, value(&format!("{metric}_max"))?);
            ensure!(is <= most, "{metric} is {is}, and {most} at most");
        }
        Ok(())
    }
}
