//! A host that is told to stop while a provider is at work.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Host, behave, until};

/// How long calls may go on, connections may last, and room for a slow machine.
const STOP_MAX: Duration = Duration::from_secs(12);
/// Far longer than a host waits for anything at its end.
const CALL_MS: u64 = 60_000;
/// How long the next start may take to begin again what was given back. A lease lasts longer.
const BEGIN_AGAIN_MAX: Duration = Duration::from_secs(10);

/// A host whose provider is in a call that lasts, and the addon that it is about.
async fn in_a_call() -> (Host, String) {
    let host = Host::start(&["chameleon"]).await;
    let lasts = json!({ "begin": { "do": [{ "checkpoint": {} }, { "sleep_ms": CALL_MS }, { "message": "begun" }] } });
    let id = host.create(behave(lasts)).await.id();
    until("the call", || async { (calls_under_way(&host).await == 1).then_some(()) }).await;
    (host, id)
}

async fn calls_under_way(host: &Host) -> u64 {
    let metrics = host.get("/metrics").await.text;
    let of = |line: &str| line.strip_prefix("larder_sandbox_calls ").map(|count| count.parse::<f64>().unwrap() as u64);
    metrics.lines().find_map(of).unwrap_or_else(|| panic!("{metrics}"))
}

#[tokio::test]
async fn a_stop_during_a_long_call_ends_in_time_and_the_next_start_goes_on_at_once() {
    let (mut host, id) = in_a_call().await;
    let asked = Instant::now();
    host.stop();
    assert!(asked.elapsed() < STOP_MAX, "{:?}", asked.elapsed());
    assert!(host.log().contains("dropping calls that outlast the shutdown"), "{}", host.log());

    host.restart();
    let started = Instant::now();
    until("the call again", || async { (calls_under_way(&host).await == 1).then_some(()) }).await;
    assert!(started.elapsed() < BEGIN_AGAIN_MAX, "{:?}", started.elapsed());
    let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
    assert_eq!(
        (&addon["state"], &addon["attempts"]),
        (&json!("waiting_for_provision"), &json!(0)),
        "it was nobody's fault: {addon}"
    );
    // Whoever can't wait for the end says so once more.
    let asked = Instant::now();
    host.signal("TERM");
    until("the end of the first", || async { host.log().matches("stopping; ").nth(1).map(drop) }).await;
    host.signal("INT");
    assert_eq!(host.ended(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());

    host.restart();
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.cleaned_up(&id).await;
}

#[tokio::test]
async fn a_call_that_ends_in_time_is_let_end() {
    let mut host = Host::start(&["chameleon"]).await;
    let ends = json!({ "begin": { "do": [{ "sleep_ms": 1_500 }, { "message": "begun" }] } });
    let id = host.create(behave(ends)).await.id();
    until("the call", || async { (calls_under_way(&host).await == 1).then_some(()) }).await;
    host.stop();
    assert!(!host.log().contains("dropping calls"), "{}", host.log());
    host.restart();
    assert_eq!(host.settled(&id).await["state"], "ready");
    let begun = host.calls(&id).await.iter().filter(|call| call.starts_with("begin-provision")).count();
    assert_eq!(begun, 1, "what it has done was stored");
}
