//! An addon as its user knows it: what was asked for, and whether it is that.

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use std::time::Duration;

use crate::support::{Answer, Host, Random, Redis, until};

use super::steps::{Kind, Moment, Wish};

/// How long it may take until something has come.
const COMES_MAX: Duration = Duration::from_secs(60);
/// How long a slow provider takes: much longer than a kill.
const SLOW_MS: u64 = 1_500;

/// One of them.
pub(super) struct Addon {
    pub(super) id: String,
    pub(super) kind: Kind,
    name: String,
    plan: &'static str,
    /// Whether its data were written.
    holds_data: bool,
    /// The last line of its history before something was wished.
    seen: u64,
}

impl Kind {
    pub(super) fn has(self, wish: Wish) -> bool {
        match self {
            Self::Own => true,
            Self::Part => !matches!(wish, Wish::Resize | Wish::Export),
            Self::Files => !matches!(wish, Wish::Resize | Wish::Rotate),
            Self::Slow => matches!(wish, Wish::Create | Wish::Delete),
        }
    }

    fn document(self) -> Value {
        match self {
            Self::Own => json!({ "service": "redis", "plan": "small" }),
            Self::Part => json!({ "service": "redis", "plan": "small", "provision_type": "communal" }),
            Self::Files => json!({ "service": "volume" }),
            Self::Slow => {
                // Each call takes its time once, and is killed in it: the next finds the checkpoint.
                let slow = json!([{ "do": [{ "checkpoint": {} }, { "sleep_ms": SLOW_MS }] }, { "ok": {} }]);
                json!({ "service": "chameleon", "parameters": { "begin": slow, "complete": slow, "deprovision": slow } })
            }
        }
    }
}

impl Addon {
    /// Asked for, and no more: itself, and the server that it is to be a part of.
    pub(super) async fn create(host: &Host, kind: Kind, name: &str) -> (Self, Option<String>) {
        let mut asks = kind.document();
        (asks["name"], asks["attach_as"]) = (json!(name), json!(name));
        let made = host.create(asks).await;
        let server = made.body["parent"].as_str().map(str::to_owned);
        (Self { id: made.id(), kind, name: name.to_owned(), plan: "small", holds_data: false, seen: 0 }, server)
    }

    fn path(&self) -> String {
        format!("/v1/addons/{}", self.id)
    }

    /// Has something wished about it.
    pub(super) async fn wish(&mut self, host: &Host, wish: Wish, random: &mut Random) {
        self.seen = host.history(&self.id).await.last().and_then(|line| line["id"].as_u64()).unwrap();
        match wish {
            Wish::Create => {}
            Wish::Resize => {
                self.plan = if self.plan == "small" { "medium" } else { "small" };
                let eviction = random.one_of(&["noeviction", "allkeys-lru", "volatile-ttl"]);
                let body = json!({ "plan": self.plan, "parameters": { "eviction": eviction } });
                host.patch(&self.path(), body).await.expect(202);
            }
            Wish::Rotate => {
                let body = json!({ "overlap_s": random.below(2) });
                host.post(&format!("{}/rotate", self.path()), body).await.expect(202);
            }
            Wish::Export => {
                let request = host.request(Method::POST, &format!("{}/exports", self.path()));
                // Nobody minds what becomes of it.
                tokio::spawn(async { request.send().await?.bytes().await });
            }
            Wish::Delete => drop(host.delete(&self.path()).await.expect(202)),
        }
    }

    /// Waits until its history tells this, which was not there before the last wish.
    pub(super) async fn has_come_to(&self, host: &Host, moment: Moment) {
        let request = host.request(Method::GET, &format!("{}/events", self.path()));
        let request = request.header("accept", "text/event-stream").header("last-event-id", self.seen);
        let (mut stream, mut text) = (request.send().await.unwrap().bytes_stream(), String::new());
        let told = async {
            loop {
                text.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
                while let Some(end) = text.find("\n\n") {
                    let event: String = text.drain(..end + 2).collect();
                    let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                    if serde_json::from_str::<Value>(&data).is_ok_and(|line| moment.is(&line)) {
                        return;
                    }
                }
            }
        };
        let in_time = timeout(COMES_MAX, told).await;
        assert!(in_time.is_ok(), "{} did not come to {moment:?}: {:#?}", self.id, host.history(&self.id).await);
    }

    /// Waits until nothing is under way. Then it is ready, what was wished has come true, and what its app has of it is of use.
    pub(super) async fn is_well(&mut self, host: &Host) {
        let deadline = tokio::time::Instant::now() + COMES_MAX;
        let addon = loop {
            let request = host.request(Method::GET, &self.path()).header("prefer", "wait=60");
            let addon = Answer::of(request).await.expect(200);
            if addon["state"] != "ready" || addon["operation"]["state"] != "running" {
                break addon;
            }
            assert!(tokio::time::Instant::now() < deadline, "{addon:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let failed = addon["operation"]["state"] == "failed" && addon["operation"]["kind"] != "export";
        if addon["state"] != "ready" || failed || addon["plan"] != self.plan && self.kind == Kind::Own {
            panic!("{addon:#}\n{:#?}", host.history(&self.id).await);
        }
        if matches!(self.kind, Kind::Own | Kind::Part) {
            self.keeps_data(host).await;
        }
    }

    async fn keeps_data(&mut self, host: &Host) {
        let (prefix, name) = (self.id.replace('-', ""), self.name.to_ascii_uppercase());
        let (key, id) = (format!("{prefix}:key"), self.id.clone());
        let url = host.variables().await[format!("{name}_REDIS_URL")].as_str().unwrap().to_owned();
        let mut redis = until("a login by what the app has", async || Redis::connect(&url).ok()).await;
        if self.holds_data {
            assert_eq!(redis.say(&["GET", &key]).as_ref(), Ok(&id), "its data are gone");
        }
        assert_eq!(redis.say(&["SET", &key, &id]), Ok("OK".into()));
        self.holds_data = true;
    }
}

/// Waits until a deleted addon's cleanup is done.
pub(super) async fn is_over(host: &Host, id: &str) {
    let mut last = Value::Null;
    let over = tokio::time::timeout(COMES_MAX, async {
        loop {
            last = host.get(&format!("/v1/addons/{id}")).await.expect(200);
            let is_clean = matches!(last["cleanup"]["state"].as_str(), Some("done" | "none"));
            if last["state"] == "deprovisioned" && is_clean {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    if over.await.is_err() {
        panic!("{last:#}\n{:#?}", host.history(id).await);
    }
}
