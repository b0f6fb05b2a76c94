//! The history, in pages and as a stream, and logs.

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::Method;
use futures_util::StreamExt;
use larder_api::StreamLimits;
use serde_json::{Value, json};

use crate::support::{Answer, TestHost, manifest};

const STREAM: &str = "text/event-stream";

/// A stream of events as a client reads it.
struct Events {
    body: BodyDataStream,
    text: String,
}

impl Events {
    async fn open(host: &TestHost, path: &str, last_id: Option<u64>) -> Self {
        let mut request = host.request(Method::GET, path).header("accept", STREAM);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = host.open(request.body(().into()).unwrap()).await;
        assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (200, STREAM));
        assert_eq!(response.headers()["cache-control"], "no-cache");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event's lines.
    async fn next_lines(&mut self) -> Vec<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let lines: String = self.text.drain(..end + 2).collect();
                return lines.trim_end().lines().map(str::to_owned).collect();
            }
            let chunk = tokio::time::timeout(Duration::from_secs(30), self.body.next()).await.expect("nothing came");
            self.text.push_str(std::str::from_utf8(&chunk.expect("the stream ended").unwrap()).unwrap());
        }
    }

    /// The next event's data, after a look at its other fields.
    async fn next(&mut self) -> Value {
        let lines = self.next_lines().await;
        let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        let data: Value = serde_json::from_str(&field("data:")).unwrap();
        assert_eq!((field("id:"), json!(field("event:"))), (data["id"].to_string(), data["kind"].clone()));
        data
    }

    /// The kinds of events up to this one, which included.
    async fn until(&mut self, kind: &str) -> (Vec<String>, u64) {
        let mut kinds = vec![];
        loop {
            let event = self.next().await;
            kinds.push(event["kind"].as_str().unwrap().to_owned());
            if event["kind"] == kind {
                return (kinds, event["id"].as_u64().unwrap());
            }
        }
    }
}

#[tokio::test]
async fn history_comes_in_pages() {
    let host = TestHost::start().await;
    let id = host.create_and_wait(json!({ "service": "thing" })).await.id();
    let all = host.get(&format!("/v1/addons/{id}/events")).await.expect(200);
    let events = all["events"].as_array().unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1], &all["next"]), ("created", "ready", &json!(null)));
    assert_eq!(host.get("/v1/events").await.expect(200), all);
    let first = &events[0];
    let fields: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["addon", "at", "data", "id", "kind", "message", "seq"]);
    assert_eq!((&first["addon"], &first["seq"]), (&json!(id), &json!(1)));
    let page = host.get(&format!("/v1/addons/{id}/events?limit=2")).await.expect(200);
    assert_eq!((page["events"].as_array().unwrap().len(), &page["next"]), (2, &events[1]["id"]));
    let rest = host.get(&format!("/v1/events?after={}", page["next"])).await.expect(200);
    assert_eq!(rest["events"].as_array().unwrap()[..], events[2..]);
    for query in ["after=-1", "after=x", "limit=0", "limit=1001", "since=1"] {
        host.get(&format!("/v1/events?{query}")).await.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn logs_come_in_pages() {
    let host = TestHost::start().await;
    let id = host.create_and_wait(json!({ "service": "thing" })).await.id();
    let all = host.get(&format!("/v1/addons/{id}/logs")).await.expect(200);
    let lines = all["lines"].as_array().unwrap();
    assert_eq!((&lines[0]["stream"], &lines[0]["text"]), (&json!("stdout"), &json!("called begin-provision")));
    let page = host.get(&format!("/v1/addons/{id}/logs?limit=1")).await.expect(200);
    assert_eq!((&page["lines"][0], &page["next"]), (&lines[0], &lines[0]["id"]));
    let rest = host.get(&format!("/v1/addons/{id}/logs?after={}", page["next"])).await.expect(200);
    assert_eq!(rest["lines"].as_array().unwrap()[..], lines[1..]);
    host.get(&format!("/v1/addons/{id}/logs?follow=true")).await.problem(400, "invalid_query");
}

#[tokio::test]
async fn a_stream_replays_what_was_and_goes_on_with_what_comes() {
    let host = TestHost::start().await;
    let id = host.create_and_wait(json!({ "service": "thing" })).await.id();
    let mut stream = Events::open(&host, &format!("/v1/addons/{id}/events"), None).await;
    let (replayed, ready) = stream.until("ready").await;
    assert_eq!(replayed[0], "created");
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    assert_eq!(stream.until("deprovisioned").await.0, ["deprovisioned"]);
    let mut again = Events::open(&host, "/v1/events", Some(ready)).await;
    assert_eq!(again.until("deprovisioned").await.0, ["deprovisioned"]);
    let mut newer_wins = Events::open(&host, "/v1/events?after=0", Some(ready)).await;
    assert_eq!(newer_wins.next().await["kind"], "deprovisioned");
    let mut by_query = Events::open(&host, &format!("/v1/events?after={ready}"), None).await;
    assert_eq!(by_query.next().await["kind"], "deprovisioned");
}

#[tokio::test]
async fn an_addons_stream_tells_of_no_other_addon() {
    let host = TestHost::start().await;
    let first = host.create_and_wait(json!({ "service": "thing" })).await.id();
    let mut stream = Events::open(&host, &format!("/v1/addons/{first}/events"), None).await;
    stream.until("ready").await;
    host.create_and_wait(json!({ "service": "thing", "name": "b", "attach_as": "b" })).await.expect(201);
    host.delete(&format!("/v1/addons/{first}")).await.expect(202);
    assert_eq!(stream.next().await["kind"], "deprovisioned");
}

#[tokio::test]
async fn a_stream_that_is_far_behind_misses_nothing() {
    let host = TestHost::builder().provider("thing", manifest()).start().await;
    host.put("/v1/apps/demo").await.expect(201);
    for n in 0..60 {
        let body = json!({ "service": "thing", "name": format!("a{n}"), "attach_as": format!("a{n}") });
        host.create_and_wait(body).await.expect(201);
    }
    let mut stream = Events::open(&host, "/v1/events", None).await;
    let (mut ready, mut last) = (0, 0);
    while ready < 60 {
        let event = stream.next().await;
        assert!(event["id"].as_u64().unwrap() > last);
        last = event["id"].as_u64().unwrap();
        ready += usize::from(event["kind"] == "ready");
    }
    assert!(last > 256, "more than one batch was meant to be read");
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_is_alive() {
    assert_eq!(StreamLimits::default().keep_alive, Duration::from_secs(15));
    let limits = StreamLimits { keep_alive: Duration::from_millis(20), ..StreamLimits::default() };
    let host = TestHost::builder().streams(limits).start().await;
    let mut stream = Events::open(&host, "/v1/events", None).await;
    assert_eq!(stream.next_lines().await, [":"]);
    assert_eq!(stream.next_lines().await, [":"]);
}

#[tokio::test]
async fn a_stream_that_can_not_be_is_told_before_it_begins() {
    let host = TestHost::builder().streams(StreamLimits { at_once_max: 1, ..StreamLimits::default() }).start().await;
    let request = |path: &str| host.request(Method::GET, path).header("accept", STREAM);
    let unknown = "/v1/addons/018f0000-0000-7000-8000-000000000000/events";
    host.send(request(unknown), ()).await.problem(404, "unknown_addon");
    host.send(request("/v1/events").header("last-event-id", "x"), ()).await.problem(400, "invalid_query");
    let beyond = host.get(&format!("/v1/events?after={}", u64::MAX)).await.expect(200);
    assert_eq!(beyond["events"], serde_json::json!([]), "no event is behind the last number");
    let open = host.open(request("/v1/events").body(().into()).unwrap()).await;
    host.send(request("/v1/events"), ()).await.problem(429, "overloaded");
    drop(open);
    let again = host.open(request("/v1/events").body(().into()).unwrap()).await;
    assert_eq!(again.status(), 200);
    let as_json = host.request(Method::GET, "/v1/events").header("accept", "application/json, */*");
    assert_eq!(Answer::of(host.open(as_json.body(().into()).unwrap()).await).await.expect(200)["events"], json!([]));
}
