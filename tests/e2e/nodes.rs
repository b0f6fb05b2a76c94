//! Several hosts on one database: any of them may be killed, stopped or cut off, and nothing is lost, done twice at the store, or kept from
//! anybody who asks another one.

mod chaos;
mod cluster;
mod engines;
mod keys;

use std::time::{Duration, Instant};

use larder_domain::work::LEASE_MS;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::events::kinds_until;
use crate::support::{behave, guest, until, until_within};
use cluster::Cluster;

/// How long work may take to move: until the lease of whoever had it has run out, and a look more. Other tests run beside.
const MOVES_WITHIN: Duration = Duration::from_millis(LEASE_MS + 30_000);

/// Asks again until a call succeeds; the first call of all sleeps that long.
fn sleeper(name: &str, sleep_ms: u64) -> Value {
    let mut request = behave(json!({ "begin": { "do": [{ "sleep_ms": sleep_ms }, { "message": "begun" }] } }));
    request["name"] = json!(name);
    request["attach_as"] = json!(name.replace('-', "_"));
    request
}

#[tokio::test]
async fn world_work_of_a_node_that_is_killed_moves_to_the_others() {
    let Some(mut cluster) = Cluster::start("world_work_of_a_node_that_is_killed_moves_to_the_others").await else {
        return;
    };
    let mut ids = vec![];
    for number in 0..12 {
        let host = &cluster.nodes[number % 3].host;
        ids.push(host.create(sleeper(&format!("s-{number}"), 2_000)).await.id());
    }
    let struck = cluster.busy().await;
    let (one, other) = ((struck + 1) % 3, (struck + 2) % 3);
    cluster.nodes[struck].host.kill();
    let began = Instant::now();
    for id in &ids {
        let host = &cluster.nodes[one].host;
        let ready = async || (host.settled(id).await["state"] == "ready").then_some(());
        until_within(MOVES_WITHIN, "an addon of a dead node", ready).await;
    }
    eprintln!("all were ready {:.1} s after the kill", began.elapsed().as_secs_f32());
    for id in &ids {
        cluster.has_happened_once(one, id, "ready").await;
    }
    // Whoever asks anybody sees the same.
    assert_eq!(cluster.nodes[one].host.variables().await, cluster.nodes[other].host.variables().await);
    cluster.nodes[struck].host.restart();
    let name = format!("node-{struck}");
    until("the node that was killed", async || (cluster.state(&name).await == "working").then_some(())).await;
}

#[tokio::test]
async fn world_a_node_that_stood_still_writes_nothing_and_connects_nowhere() {
    let test = "world_a_node_that_stood_still_writes_nothing_and_connects_nowhere";
    let Some(cluster) = Cluster::start(test).await else { return };
    let host = &cluster.nodes[1].host;
    // Whoever asks here waits for an answer that comes when the test says so; then it goes there.
    let (slow, quick) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (slow_at, quick_at) = (slow.local_addr().unwrap(), quick.local_addr().unwrap());
    let uploaded = host.upload("caller", guest("caller")).await;
    assert_eq!(uploaded.body["state"], "waiting_for_approval", "{}", uploaded.body);
    for destination in ["tcp://127.0.0.1:9".to_owned(), format!("tcp://{slow_at}"), format!("tcp://{quick_at}")] {
        host.provider(&["grant", "caller", &destination]);
    }
    let go = json!([{ "tcp": { "to": slow_at.to_string(), "send": "slow" } }, { "tcp": { "to": quick_at.to_string(), "send": "quick" } }]);
    let id = host.create(json!({ "service": "caller", "parameters": { "go": go } })).await.id();
    let (mut first, _) = slow.accept().await.unwrap();
    let holder = cluster.busy().await;
    cluster.nodes[holder].host.signal("STOP");
    let other = &cluster.nodes[(holder + 1) % 3].host;
    // Another one does the whole again.
    let (mut second, _) = tokio::time::timeout(MOVES_WITHIN, slow.accept()).await.expect("a second call").unwrap();
    answer(&mut second).await;
    let (mut last, _) = quick.accept().await.unwrap();
    answer(&mut last).await;
    assert_eq!(other.settled(&id).await["state"], "ready");
    // The first one wakes up in the middle of its call, and its answer is there.
    answer(&mut first).await;
    cluster.nodes[holder].host.signal("CONT");
    until("its recovery", async || (cluster.nodes[holder].host.get("/readyz").await.status == 200).then_some(())).await;
    let late = tokio::time::timeout(Duration::from_secs(3), quick.accept()).await;
    assert!(late.is_err(), "a call without a lease has connected");
    cluster.has_happened_once((holder + 1) % 3, &id, "ready").await;
}

/// Reads what was sent, and answers.
async fn answer(stream: &mut tokio::net::TcpStream) {
    let mut sent = [0; 64];
    let _count = stream.read(&mut sent).await;
    let _answered = stream.write_all(b"done").await;
    let _ended = stream.shutdown().await;
}

#[tokio::test]
async fn world_a_node_that_is_cut_off_from_the_database_loses_its_work_and_comes_back() {
    let test = "world_a_node_that_is_cut_off_from_the_database_loses_its_work_and_comes_back";
    let Some(cluster) = Cluster::start(test).await else { return };
    let mut ids = vec![];
    for number in 0..9 {
        ids.push(cluster.nodes[number % 3].host.create(sleeper(&format!("c-{number}"), 3_000)).await.id());
    }
    let struck = cluster.busy().await;
    let other = (struck + 1) % 3;
    cluster.nodes[struck].way.cut();
    for id in &ids {
        let host = &cluster.nodes[other].host;
        let ready = async || (host.settled(id).await["state"] == "ready").then_some(());
        until_within(MOVES_WITHIN, "an addon of a node that is cut off", ready).await;
        cluster.has_happened_once(other, id, "ready").await;
    }
    let cut_off = &cluster.nodes[struck].host;
    until("the word that it can't work", async || (cut_off.get("/readyz").await.status == 503).then_some(())).await;
    let refused = cut_off.create(sleeper("refused", 0)).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    cluster.nodes[struck].way.mend();
    until("its recovery", async || (cut_off.get("/readyz").await.status == 200).then_some(())).await;
    let made = cut_off.create_and_wait(sleeper("after", 0)).await;
    assert_eq!(made.body["state"], "ready", "{}", made.text);
    let log = std::fs::read_to_string(cut_off.dir().join("host.log")).unwrap();
    let gone = log.lines().filter(|line| line.contains("it is tried again and again")).count();
    assert_eq!(gone, 1, "told once: {log}");
    assert!(log.contains("the database is back"), "{log}");
}

#[tokio::test]
async fn world_a_node_without_its_database_stops_when_it_is_told_to() {
    let Some(mut cluster) = Cluster::start("world_a_node_without_its_database_stops_when_it_is_told_to").await else {
        return;
    };
    cluster.nodes[0].way.cut();
    let began = Instant::now();
    cluster.nodes[0].host.signal("TERM");
    cluster.nodes[0].host.ended();
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test]
async fn world_a_stream_goes_on_at_another_node_and_misses_nothing() {
    let Some(mut cluster) = Cluster::start("world_a_stream_goes_on_at_another_node_and_misses_nothing").await else {
        return;
    };
    let (a, b) = (&cluster.nodes[0].host, &cluster.nodes[1].host);
    let id = a.create_and_wait(sleeper("stream", 0)).await.id();
    let (mut kinds, last) = kinds_until(a, "/v1/events", None, &id, "ready").await;
    // What another node commits is heard here at once, and not by looking now and then.
    let heard = kinds_until(b, "/v1/events", Some(last), &id, "deprovisioned");
    let path = format!("/v1/addons/{id}");
    let (deleted, (rest, _)) = tokio::join!(a.delete(&path), heard);
    deleted.expect(202);
    cluster.nodes[0].host.kill();
    kinds.extend(rest);
    let all = cluster.nodes[1].host.history(&id).await;
    let all: Vec<&str> = all.iter().map(|event| event["kind"].as_str().unwrap()).take(kinds.len()).collect();
    assert_eq!(kinds, all);
}

#[tokio::test]
async fn world_a_drained_node_takes_no_work_and_the_others_do() {
    let Some(cluster) = Cluster::start("world_a_drained_node_takes_no_work_and_the_others_do").await else { return };
    let (code, said, error) = cluster.nodes[0].host.cli(&["node", "drain", "node-1"]);
    assert_eq!(code, 0, "{said}{error}");
    let drained = &cluster.nodes[1].host;
    drained.get("/readyz").await.problem(503, "not_serving");
    for number in 0..6 {
        // It answers as ever: it takes no work.
        let made = drained.create_and_wait(sleeper(&format!("d-{number}"), 300)).await;
        assert_eq!(made.body["state"], "ready", "{}", made.text);
        assert_eq!(cluster.leases("node-1").await, 0);
    }
    let (code, listed, _) = cluster.nodes[2].host.cli(&["node", "list"]);
    assert!(code == 0 && listed.contains("node-1  draining"), "{listed}");
    let (code, _, _) = cluster.nodes[2].host.cli(&["node", "resume", "node-1"]);
    assert_eq!(code, 0);
    drained.get("/readyz").await.expect(200);
    let (code, _, error) = cluster.nodes[2].host.cli(&["node", "drain", "nobody"]);
    assert!(code == 1 && error.contains("unknown_node"), "{error}");
}

#[tokio::test]
async fn world_what_is_done_at_one_node_holds_at_all_at_once() {
    let Some(cluster) = Cluster::start("world_what_is_done_at_one_node_holds_at_all_at_once").await else { return };
    let (a, b) = (&cluster.nodes[0].host, &cluster.nodes[1].host);
    // A provider that is uploaded here serves there.
    assert_eq!(a.upload("second", guest("second-secret")).await.body["state"], "active");
    let services = b.get("/v1/catalog").await.expect(200).to_string();
    assert!(services.contains("\"second\""), "{services}");
    let made = b.create_and_wait(json!({ "service": "secret", "provider": "second" })).await;
    assert_eq!(made.body["state"], "ready", "{}", made.text);
    a.delete(&format!("/v1/addons/{}", made.id())).await.expect(202);
    b.cleaned_up(&made.id()).await;
    a.delete("/v1/providers/second").await.expect(204);
    let gone = b.create(json!({ "service": "secret", "provider": "second" })).await;
    assert_eq!(gone.status, 404, "{}", gone.text);
    // Whose call runs there is deleted here, and need not be waited for.
    for number in 0..4 {
        let id = a.create(sleeper(&format!("x-{number}"), 25_000)).await.id();
        until("its call", async || (cluster.leases_of_all().await > 0).then_some(())).await;
        let began = Instant::now();
        let other = &cluster.nodes[number % 3].host;
        other.delete(&format!("/v1/addons/{id}")).await.expect(202);
        b.cleaned_up(&id).await;
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn world_two_nodes_have_no_local_engine_in_common() {
    let Some(cluster) = Cluster::start("world_two_nodes_have_no_local_engine_in_common").await else { return };
    let (first, _first_dir) = cluster.try_node("rack-a", &["--engine", "unix:///nowhere/docker.sock"]).await;
    assert!(first.is_ok());
    let (second, _second_dir) = cluster.try_node("rack-b", &["--engine", "unix:///nowhere/docker.sock"]).await;
    let said = second.err().unwrap();
    assert!(said.contains("rack-a") && said.contains("--engines"), "{said}");
    let (code, listed, _) = cluster.nodes[0].host.cli(&["engine", "list"]);
    assert!(code == 0 && listed.contains("elsewhere"), "{listed}");
    let (code, _, error) = cluster.nodes[0].host.cli(&["engine", "drain", "default"]);
    assert_eq!(code, 0, "{error}");
    let (_, listed, _) = cluster.nodes[1].host.cli(&["engine", "list"]);
    assert!(listed.contains("elsewhere, drained"), "{listed}");
}
