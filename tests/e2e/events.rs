//! The history as a stream: nothing is missed, whenever one begins to listen.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::json;

use crate::support::{Host, behave};

/// Reads a stream until `kind` of this addon has come; the kinds of all its events on the way, and the last identifier.
pub(crate) async fn kinds_until(
    host: &Host,
    path: &str,
    last_event_id: Option<u64>,
    addon: &str,
    kind: &str,
) -> (Vec<String>, u64) {
    let mut request = host.request(Method::GET, path).header("accept", "text/event-stream");
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut stream, mut text, mut kinds) = (response.bytes_stream(), String::new(), vec![]);
    loop {
        let chunk = stream.next().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some(end) = text.find("\n\n") {
            let event: String = text.drain(..end + 2).collect();
            let data = event.lines().filter_map(|line| line.strip_prefix("data:")).collect::<String>();
            let Ok(data) = serde_json::from_str::<serde_json::Value>(&data) else { continue };
            if data["addon"] == addon {
                kinds.push(data["kind"].as_str().unwrap().to_owned());
                if data["kind"] == kind {
                    return (kinds, data["id"].as_u64().unwrap());
                }
            }
        }
    }
}

#[tokio::test]
async fn a_stream_replays_what_was_and_goes_on_with_what_comes() {
    let host = Host::start(&["chameleon"]).await;
    let soon = json!({ "complete": [{ "pending": { "after_ms": 300, "message": "not yet" } }, { "ok": {} }] });
    let id = host.create(behave(soon)).await.id();
    let path = format!("/v1/addons/{id}/events");
    let (live, _) = kinds_until(&host, &path, None, &id, "ready").await;
    assert_eq!(live, ["created", "call", "call", "call", "provisioned", "ready"]);
    let (replayed, last) = kinds_until(&host, "/v1/events", None, &id, "ready").await;
    assert_eq!(replayed, live);
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    let (rest, _) = kinds_until(&host, "/v1/events", Some(last), &id, "deprovisioned").await;
    assert_eq!(rest, ["deprovisioned"]);
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_after_a_restart() {
    let mut host = Host::start(&["chameleon"]).await;
    let first = host.create_and_wait(behave(json!({}))).await.id();
    let (_, last) = kinds_until(&host, "/v1/events", None, &first, "ready").await;
    host.kill();
    host.restart();
    host.delete(&format!("/v1/addons/{first}")).await.expect(202);
    let (rest, _) = kinds_until(&host, "/v1/events", Some(last), &first, "deprovisioned").await;
    assert_eq!(rest, ["deprovisioned"]);
}
