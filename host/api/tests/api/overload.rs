//! More requests than can be carried out: turned away at once, while those that read go on, and nothing piles up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::stream;
use larder_api::{Crowded, LaneLimits, RequestLimits};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::support::{Answer, TestHost, manifest, until};

/// How long anything may take that is not to wait.
const SOON: Duration = Duration::from_secs(10);

fn lane(at_once_max: usize, waiting_max: usize, wait_ms: u64) -> LaneLimits {
    let wait = Duration::from_millis(wait_ms);
    LaneLimits { at_once_max, waiting_max, wait, refusal_wait: Duration::from_millis(5), refusals_waiting_max: 8 }
}

fn all(lane: &LaneLimits) -> RequestLimits {
    RequestLimits { reads: lane.clone(), writes: lane.clone(), slow: lane.clone() }
}

/// That somebody was told to come back, and when.
#[track_caller]
fn shed(answer: Answer) {
    let after: Option<u64> = answer.header("retry-after").parse().ok();
    assert!(after.is_some_and(|seconds| seconds >= 1), "{answer:?}");
    answer.problem(429, "overloaded");
}

/// What `/metrics` says of a kind of requests.
async fn told(host: &TestHost, metric: &str, kind: &str) -> u64 {
    let text = host.get("/metrics").await.text;
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    let line = format!("{metric}{{kind=\"{kind}\"}} ");
    text.lines().find_map(|l| l.strip_prefix(&line)).unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[tokio::test]
async fn without_a_turn_nothing_is_carried_out_and_health_is_told() {
    let host = TestHost::builder().requests(all(&lane(0, 0, 0))).start().await;
    let addon = "/v1/addons/019c0f5e-0000-7000-8000-000000000000";
    for path in [
        "/v1/apps",
        "/v1/apps/demo",
        "/v1/apps/demo/config",
        "/v1/providers",
        "/v1/catalog",
        "/v1/events",
        "/v1/engines",
        addon,
    ] {
        shed(host.get(path).await);
    }
    for path in ["/v1/apps/demo", "/v1/providers/thing", "/v1/engines/rack", addon] {
        shed(host.delete(path).await);
    }
    shed(host.put("/v1/apps/demo").await);
    shed(host.create(json!({ "service": "thing" })).await);
    shed(host.patch(json!({ "A": "1" })).await);
    for (method, path, body) in [
        (Method::PUT, "/v1/apps/demo/engine", json!({ "engine": null })),
        (Method::PUT, "/v1/apps/demo/network", json!({ "network": null })),
        (Method::PUT, "/v1/apps/demo/quota", json!({ "addons_max": null })),
        (Method::PUT, "/v1/providers/thing/grants", json!({ "grants": [] })),
        (Method::PUT, "/v1/providers/thing/limits", json!({ "limits": {} })),
        (Method::PUT, "/v1/providers/thing/quotas", json!({ "quotas": {} })),
        (Method::PUT, "/v1/providers/thing/options", json!({ "options": {} })),
        (Method::PATCH, addon, json!({ "protected": true })),
        (Method::POST, &format!("{addon}/rotate"), json!({})),
        (Method::POST, &format!("{addon}/undelete"), json!({})),
        (Method::POST, "/v1/engines/prune", json!({})),
        (Method::POST, "/v1/key/rotate", json!({})),
    ] {
        shed(host.json(host.request(method, path).header("if-match", "\"1\""), &body).await);
    }
    host.get("/healthz").await.expect(200);
    host.get("/readyz").await.expect(200);
    assert!(told(&host, "larder_requests_shed_total", "read").await >= 7);
    assert_eq!(told(&host, "larder_requests_max", "write").await, 0);
    host.get("/v1/nosuch").await.problem(404, "not_found");
}

#[tokio::test]
async fn what_comes_where_no_connection_is_left_is_turned_away() {
    let host = TestHost::builder().start().await;
    let ask = async |request: axum::http::request::Builder| {
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Crowded);
        Answer::of(host.open(request).await).await
    };
    shed(ask(host.request(Method::PUT, "/v1/apps/demo")).await);
    shed(ask(host.request(Method::GET, "/v1/events").header("accept", "text/event-stream")).await);
    shed(ask(host.request(Method::GET, "/v1/apps").header("prefer", "wait=9")).await);
    for path in ["/healthz", "/readyz", "/metrics", "/v1/apps"] {
        assert_eq!(ask(host.request(Method::GET, path)).await.status, 200);
    }
}

#[tokio::test]
async fn who_only_waits_holds_no_turn() {
    let host = TestHost::builder().provider("thing", manifest()).requests(all(&lane(1, 0, 0))).start().await;
    let host = Arc::new(host);
    host.put("/v1/apps/demo").await.expect(201);
    let wait = |request: axum::http::request::Builder| request.header("prefer", "wait=30");
    // One waits for an addon that never becomes ready, and one for the same that was there already.
    let (one, two) = (Arc::clone(&host), Arc::clone(&host));
    let hangs = json!({ "service": "thing", "parameters": { "hang": true } });
    let creates = tokio::spawn(async move { one.create_and_wait(hangs).await });
    let id = until("the addon", || async {
        let listed = host.get("/v1/apps/demo/addons").await;
        listed.body["addons"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let path = format!("/v1/addons/{id}");
    let watched = path.clone();
    let watches = tokio::spawn(async move {
        // Others may have the one turn at the moment.
        loop {
            let watched = two.send(wait(two.request(Method::GET, &watched)), ()).await;
            if watched.status != 429 {
                return watched;
            }
        }
    });
    // One sends the first half of a body.
    let request = host.request(Method::PATCH, "/v1/apps/demo/config").header("content-type", "application/json");
    let sends = host.open(request.body(endless("{")).unwrap());
    let goes_on = async {
        for name in ["a", "b", "c"] {
            until("a turn", || async { (host.put(&format!("/v1/apps/{name}")).await.status == 201).then_some(()) })
                .await;
            until("a turn", || async { (host.get("/v1/apps").await.status == 200).then_some(()) }).await;
        }
    };
    tokio::select! {
        done = timeout(SOON, goes_on) => done.unwrap(),
        _ = sends => panic!("a body without an end was answered"),
    }
    assert!(!creates.is_finished() && !watches.is_finished());
    let turns = async |kind| told(&host, "larder_requests", kind).await;
    until("no turn is held", || async { (turns("write").await + turns("read").await == 0).then_some(()) }).await;
    host.delete(&path).await.expect(202);
    assert_eq!(watches.await.unwrap().expect(200)["state"], "deprovisioned");
    creates.await.unwrap();
}

/// A body without an end.
fn endless(begins: &'static str) -> Body {
    let begins = stream::once(async move { Ok::<_, std::io::Error>(Bytes::from(begins)) });
    Body::from_stream(futures_util::StreamExt::chain(begins, stream::pending()))
}

#[tokio::test]
async fn who_goes_away_keeps_its_turn_until_what_it_asked_for_is_done() {
    let mut thing = manifest();
    thing["options"] = json!({ "type": "object", "properties": { "hold": { "type": "boolean" } } });
    let host = TestHost::builder().provider("thing", thing).requests(all(&lane(1, 0, 0))).start().await;
    let under_way = async || told(&host, "larder_requests", "slow").await;
    let set = || host.request(Method::PUT, "/v1/providers/thing/options").header("if-match", "\"1\"");
    let options = json!({ "options": { "hold": true } });
    tokio::select! {
        answer = host.json(set(), &options) => panic!("{answer:?}"),
        () = until("its turn", || async { (under_way().await == 1).then_some(()) }) => {}
    }
    // Its client is gone now.
    assert_eq!(under_way().await, 1);
    shed(host.json(set(), &options).await);
    host.held.add_permits(1);
    until("its end", || async { (under_way().await == 0).then_some(()) }).await;
    // One whose body was still to come is broken off.
    let request = set().header("content-type", "application/json").body(endless("{")).unwrap();
    assert!(timeout(Duration::from_millis(50), host.open(request)).await.is_err());
    host.held.add_permits(1);
    let answer = host.json(set(), &options).await;
    assert_ne!(answer.status, 429, "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_kept_back_unless_too_many_are() {
    let kept_back = LaneLimits { refusal_wait: Duration::from_secs(600), ..lane(0, 0, 0) };
    let host = TestHost::builder().requests(all(&kept_back)).start().await;
    let asks = || async { (Instant::now(), shed(host.get("/v1/apps").await)).0.elapsed() };
    let all = futures_util::future::join_all((0..10).map(|_| asks())).await;
    let at_once = all.iter().filter(|took| **took < Duration::from_secs(600)).count();
    assert_eq!((all.len(), at_once), (10, 2), "{all:?}");
}

#[tokio::test]
async fn nobody_waits_for_who_went_away_in_its_turn() {
    let host = TestHost::builder().provider("thing", manifest()).requests(all(&lane(1, 0, 0))).start().await;
    host.put("/v1/apps/demo").await.expect(201);
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let hangs = json!({ "service": "thing", "parameters": { "hang": true } });
    let request = host.request(Method::POST, "/v1/apps/demo/addons").header("prefer", "wait=60");
    tokio::select! {
        // It is begun before anything else is asked.
        biased;
        answer = host.json(request, &hangs) => panic!("{answer:?}"),
        () = until("the addon", || async { (host.addons().await > 0).then_some(()) }) => {}
    }
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    until("its end", || async { (alive() <= before).then_some(()) }).await;
}

/// The middle one and the hundredth from the end of a hundred.
fn median_and_p99(mut all: Vec<Duration>) -> (Duration, Duration) {
    all.sort_unstable();
    (all[all.len() / 2], all[all.len() * 99 / 100])
}

async fn read(host: &TestHost) -> Duration {
    let began = Instant::now();
    assert_eq!(host.get("/v1/apps/demo").await.expect(200)["name"], "demo");
    began.elapsed()
}

async fn reads(host: &TestHost, count: usize) -> Vec<Duration> {
    let mut all = vec![];
    for _ in 0..count {
        all.push(read(host).await);
    }
    all
}

/// Ten times as many clients as there are turns, who all come back at once when they are turned away: each answer is a success or the
/// word to come back, no more wait than may, and reads go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_too_much_is_shed_and_reads_go_on() {
    const TURNS: usize = 4;
    const CLIENTS: usize = 10 * TURNS * 2;
    let requests = RequestLimits { writes: lane(TURNS, TURNS, 100), ..RequestLimits::default() };
    let host = Arc::new(TestHost::builder().requests(requests).start().await);
    host.put("/v1/apps/demo").await.expect(201);
    let before = median_and_p99(reads(&host, 200).await);

    let (over, done, turned_away) =
        (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let writes = |client: usize| {
        let (host, over, done, turned_away) =
            (Arc::clone(&host), Arc::clone(&over), Arc::clone(&done), Arc::clone(&turned_away));
        async move {
            for round in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let value: Value = json!({ format!("V{client}"): format!("{round}") });
                let answer = host.patch(value).await;
                if answer.status == 429 {
                    turned_away.fetch_add(1, Ordering::Relaxed);
                    shed(answer);
                } else {
                    done.fetch_add(1, Ordering::Relaxed);
                    answer.expect(200);
                }
                tokio::task::yield_now().await;
            }
        }
    };
    let clients: Vec<_> = (0..CLIENTS).map(|client| tokio::spawn(writes(client))).collect();
    let mut during = vec![];
    while during.len() < 200 || done.load(Ordering::Relaxed) < 100 {
        during.push(read(&host).await);
        assert!(told(&host, "larder_requests_waiting", "write").await <= TURNS as u64);
        assert!(told(&host, "larder_requests", "write").await <= TURNS as u64);
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let during = median_and_p99(during);
    println!("done {done:?}, turned away {turned_away:?}; reads {before:?} before, {during:?} during");
    assert!(turned_away.load(Ordering::Relaxed) > done.load(Ordering::Relaxed));
    // The figures are the bench's; this finds only reads that wait for writes.
    assert!(during.0 < before.0 * 100 + Duration::from_millis(200), "reads: {before:?}, then {during:?}");
    assert_eq!(told(&host, "larder_requests", "write").await, 0);
}
