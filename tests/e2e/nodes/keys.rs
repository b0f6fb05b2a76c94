//! Nodes rotate the key that each of them has a copy of, while all are read from and written to, and some are killed or stand still.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::cluster::{Cluster, Node};
use crate::support::{Host, until, until_within};

/// Variables of the app's own: several pages of them in each pass.
const VARIABLES: usize = 300;
/// How long a rotation may take whose driver is killed: until it is taken for gone, and another one has looked.
const ROTATED_WITHIN: Duration = Duration::from_secs(90);

async fn state(host: &Host) -> Value {
    host.get("/v1/key").await.expect(200)
}

fn key_file(node: &Node) -> String {
    std::fs::read_to_string(node.host.dir().join("sealing.key")).unwrap()
}

/// Changes a variable and reads it back, again and again.
async fn use_it(host: &Host, name: &str, is_over: &AtomicBool) -> String {
    for number in 0_u64.. {
        let value = format!("{name} {number}");
        host.patch("/v1/apps/demo/config", json!({ name: value })).await.expect(200);
        assert_eq!(host.variables().await[name], value.as_str());
        if is_over.load(Ordering::SeqCst) {
            return value;
        }
    }
    String::new()
}

#[tokio::test]
async fn world_the_key_of_all_nodes_is_rotated_though_its_driver_is_killed() {
    let test = "world_the_key_of_all_nodes_is_rotated_though_its_driver_is_killed";
    let Some(mut cluster) = Cluster::start(test).await else { return };
    cluster.nodes[0].host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    let own: Map<String, Value> = (0..VARIABLES).map(|n| (format!("OWN_{n}"), json!(format!("value {n}")))).collect();
    cluster.nodes[0].host.patch("/v1/apps/demo/config", Value::Object(own)).await.expect(200);
    let before = cluster.nodes[0].host.variables().await;
    let (old, old_file) = (state(&cluster.nodes[0].host).await["key"].clone(), key_file(&cluster.nodes[0]));
    let old_prefix = format!("\\x01{}", old.as_str().unwrap());
    assert!(cluster.dump().contains(&old_prefix), "the search finds something");

    // One stands still while it begins, and goes on in the midst of it.
    cluster.nodes[2].host.signal("STOP");
    let begun = cluster.nodes[0].host.post("/v1/key/rotate", json!({})).await.expect(202);
    assert!(begun["is_under_way"] == true && begun["old"] == json!([old]), "{begun}");
    cluster.nodes[1].host.patch("/v1/apps/demo/config", json!({ "LATE": "late" })).await.expect(200);
    cluster.nodes[2].host.signal("CONT");
    assert_eq!(cluster.nodes[2].host.variables().await["LATE"], "late");

    let is_over = AtomicBool::new(false);
    let (first, rest) = cluster.nodes.split_at_mut(1);
    let rotation = async {
        let one = &rest[0].host;
        let is_sealing = async || Some(state(one).await).filter(|state| state["resealed"].as_u64() > Some(0));
        until("something to be sealed anew", is_sealing).await;
        first[0].host.kill();
        let left = state(one).await;
        assert_eq!(left["old"], json!([old]), "it was killed in the midst of it: {left}");
        let has_ended = async || Some(state(one).await).filter(|state| state["is_under_way"] == false);
        let ended = until_within(ROTATED_WITHIN, "the end of the rotation", has_ended).await;
        is_over.store(true, Ordering::SeqCst);
        ended
    };
    let (ended, one, other) =
        tokio::join!(rotation, use_it(&rest[0].host, "ONE", &is_over), use_it(&rest[1].host, "OTHER", &is_over));
    assert_eq!((&ended["old"], &ended["trouble"]), (&json!([]), &Value::Null), "{ended}");
    assert_ne!(ended["key"], old);
    let took_over = |node: &Node| node.host.log().contains("this node has everything sealed with another key");
    assert!(cluster.nodes[1..].iter().any(took_over), "another one has gone on");
    cluster.nodes[0].host.restart();

    let same = async || {
        let files: Vec<String> = cluster.nodes.iter().map(key_file).collect();
        files.iter().all(|file| *file == files[0] && file.lines().count() == 1).then(|| files[0].clone())
    };
    assert_ne!(until("one key everywhere", same).await, old_file);
    assert!(!cluster.dump().contains(&old_prefix));
    for Node { host, .. } in &cluster.nodes {
        let now = host.variables().await;
        assert_eq!((&now["ONE"], &now["OTHER"], &now["LATE"]), (&json!(one), &json!(other), &json!("late")));
        for (name, value) in before.as_object().unwrap().iter().filter(|(name, _)| *name != "LARDER_SERVICES") {
            assert_eq!(&now[name], value, "{name}");
        }
        host.get("/readyz").await.expect(200);
    }
    let said = cluster.refused("late", &old_file);
    assert!(said.contains("copy `sealing.key` from the data directory of a node that runs"), "{said}");
}

#[tokio::test]
async fn world_a_node_that_missed_a_rotation_says_what_to_do() {
    let Some(mut cluster) = Cluster::start("world_a_node_that_missed_a_rotation_says_what_to_do").await else {
        return;
    };
    cluster.nodes[1].host.patch("/v1/apps/demo/config", json!({ "A": "before" })).await.expect(200);
    let old = state(&cluster.nodes[0].host).await["key"].clone();
    cluster.nodes[2].host.signal("STOP");
    until_within(Duration::from_secs(60), "a node that is taken for gone", async || {
        let nodes = cluster.list(0).await;
        nodes.iter().any(|node| node["name"] == "node-2" && node["state"] == "gone").then_some(())
    })
    .await;
    let (code, said, error) = cluster.nodes[0].host.cli(&["key", "rotate"]);
    assert!(code == 0 && said.contains(old.as_str().unwrap()), "{said}{error}");
    assert_eq!(state(&cluster.nodes[1].host).await["old"], json!([]));
    cluster.nodes[2].host.signal("CONT");
    let slept = &cluster.nodes[2].host;
    until("the word that it has another key", async || (slept.get("/readyz").await.status == 503).then_some(())).await;
    until("the word in its log", async || slept.log().contains("copy `sealing.key`").then_some(())).await;
    let refused = slept.patch("/v1/apps/demo/config", json!({ "A": "late" })).await;
    assert!(refused.status >= 500, "{}", refused.text);
    let (_, listed, _) = cluster.nodes[0].host.cli(&["node", "list"]);
    assert!(listed.contains("node-2  other_key"), "{listed}");
    assert_eq!(cluster.nodes[0].host.variables().await["A"], "before");

    cluster.nodes[2].host.kill();
    let (from, to) = (cluster.nodes[0].host.dir().join("sealing.key"), cluster.nodes[2].host.dir().join("sealing.key"));
    std::fs::copy(from, to).unwrap();
    cluster.nodes[2].host.restart();
    assert_eq!(cluster.nodes[2].host.variables().await["A"], "before");
}
