//! Engines of several nodes: added through one of them for all, or reached by one alone.

use std::process::Command;

use serde_json::{Value, json};

use crate::database;
use crate::engines::added::{cli, words};
use crate::engines::{crane, made, with_crane};
use crate::support::{Engine, Host, Postgres, SecondEngine, until, until_within};

use super::MOVES_WITHIN;

/// Two nodes on one database, started with these words each, and two engines.
struct Two {
    near: Engine,
    far: SecondEngine,
    one: Host,
    two: Host,
    server: Postgres,
}

impl Two {
    async fn start(test: &str, words_of: impl Fn(&Engine, &SecondEngine) -> [Vec<String>; 2]) -> Option<Self> {
        let near = Engine::for_test(test)?;
        let far = SecondEngine::start(&near).await;
        let [of_one, of_two] = words_of(&near, &far);
        let words = |of: &[String]| of.iter().map(|word| &*String::leak(word.clone())).collect::<Vec<&str>>();
        let own = [&["--node-name", "one"][..], &words(&of_one)].concat();
        let (server, one) = database::host_with_none(test, &own).await?;
        let one = with_crane(one).await;
        let own = [&database::words(&server)[..], &["--node-name", "two"], &words(&of_two)].concat();
        let two = one.another(&own);
        Some(Self { near, far, one, two, server })
    }
}

/// How a node sees an engine.
async fn seen(host: &Host, name: &str) -> String {
    let engines = host.get("/v1/engines").await.expect(200)["engines"].clone();
    let engine = engines.as_array().unwrap().iter().find(|engine| engine["name"] == name).cloned().unwrap_or_default();
    let of = |key: &str| engine[key].as_str().unwrap_or("-").to_owned();
    format!("{} {}", of("state"), of("source"))
}

fn id(addon: &Value) -> String {
    addon["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn world_docker_an_engine_that_is_added_through_one_node_is_every_nodes() {
    let test = "world_docker_an_engine_that_is_added_through_one_node_is_every_nodes";
    let none = |_: &Engine, _: &SecondEngine| [(); 2].map(|()| vec!["--engine".to_owned(), "none".to_owned()]);
    let Some(mut nodes) = Two::start(test, none).await else { return };
    let (code, said, error) = cli(&nodes.one, &words(&nodes.far, &["--ports", "23500-23999"]));
    assert!(code == 0, "{said}{error}");
    let there = async || (seen(&nodes.two, "far").await == "reachable added").then_some(());
    until("the other node to reach it", there).await;
    let addon = id(&made(&nodes.two, "one", "far").await);
    // A socket is one node's, and the other's addons may be there all the same.
    let (code, _, error) = nodes.one.cli(&["engine", "add", "near", nodes.near.endpoint(), "--ports", "24000-24499"]);
    assert_eq!(code, 0, "{error}");
    until("word of it", async || (seen(&nodes.two, "near").await == "elsewhere added").then_some(())).await;
    let local = id(&made(&nodes.two, "local", "near").await);
    assert_eq!((nodes.near.containers(&local).len(), nodes.far.containers(&local).len()), (1, 0));
    nodes.one.delete(&format!("/v1/addons/{local}")).await.expect(202);
    nodes.near.is_rid_of(&local).await;

    // Whoever added it is gone, and it goes on.
    nodes.one.kill();
    nodes.far.docker(&["rm", "--force", &nodes.far.containers(&addon)[0]]);
    let back = async || (nodes.far.containers(&addon).len() == 1).then_some(());
    until_within(MOVES_WITHIN, "its container to be back", back).await;
    let other = id(&made(&nodes.two, "two", "far").await);

    // Who names one that was added is not let in.
    let (dir, file) = (tempfile::TempDir::new().unwrap(), nodes.two.dir().join("engines.json"));
    for name in ["sealing.key", "admin.token"] {
        std::fs::copy(nodes.two.dir().join(name), dir.path().join(name)).unwrap();
    }
    std::fs::write(&file, json!({ "engines": { "far": { "url": "unix:///nowhere/a.sock" } } }).to_string()).unwrap();
    let mut serve = Command::new(env!("CARGO_BIN_EXE_larder"));
    serve.env_remove("LARDER_ENGINE").args(["serve", "--listen", "127.0.0.1:0", "--node-name", "three", "--data-dir"]);
    let refused =
        serve.arg(dir.path()).args(database::words(&nodes.server)).arg("--engines").arg(&file).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("was added with `larder engine add` too"), "{said}");

    nodes.one.restart();
    assert_eq!(seen(&nodes.one, "far").await, "reachable added");
    for id in [&addon, &other] {
        nodes.one.delete(&format!("/v1/addons/{id}?now=true")).await.expect(202);
        nodes.one.cleaned_up(id).await;
    }
    let (code, _, error) = nodes.two.cli(&["engine", "forget", "far"]);
    assert_eq!(code, 0, "{error}");
    until("the other node to let go of it", async || (seen(&nodes.one, "far").await == "- -").then_some(())).await;
}

#[tokio::test]
async fn world_docker_addons_of_a_lost_nodes_engine_wait_for_it_and_the_others_go_on() {
    let test = "world_docker_addons_of_a_lost_nodes_engine_wait_for_it_and_the_others_go_on";
    let dir = tempfile::TempDir::new().unwrap();
    let files = |near: &Engine, far: &SecondEngine| {
        let tls = |file: &str| far.file(file).to_str().unwrap().to_owned();
        let near = json!({ "near": { "url": near.endpoint(), "ports": "24500-24999" } });
        let far = json!({ "far": { "url": far.url(), "ports": "25000-25499",
            "tls": { "ca": tls("ca.pem"), "cert": tls("cert.pem"), "key": tls("key.pem") } } });
        [("one.json", near), ("two.json", far)].map(|(name, engines)| {
            let file = dir.path().join(name);
            std::fs::write(&file, json!({ "engines": engines }).to_string()).unwrap();
            vec!["--engines".to_owned(), file.to_str().unwrap().to_owned()]
        })
    };
    let Some(mut nodes) = Two::start(test, files).await else { return };
    // Whoever is asked, each is made where it belongs.
    let here = id(&made(&nodes.two, "here", "near").await);
    let there = id(&made(&nodes.one, "there", "far").await);
    assert_eq!((nodes.near.containers(&here).len(), nodes.near.containers(&there).len()), (1, 0));
    assert_eq!((nodes.far.containers(&here).len(), nodes.far.containers(&there).len()), (0, 1));

    nodes.two.kill();
    let container = nodes.far.containers(&there);
    nodes.near.docker(&["rm", "--force", &nodes.near.containers(&here)[0]]);
    until("its container", async || (nodes.near.containers(&here).len() == 1).then_some(())).await;
    until_within(MOVES_WITHIN, "word that nobody reaches it", async || {
        (seen(&nodes.one, "far").await == "unconfigured -").then_some(())
    })
    .await;
    let (code, said, _) = nodes.one.cli(&["doctor"]);
    assert!(code == 1 && said.contains("the engine `far`"), "{said}");
    let refused = nodes.one.create(crane("late", Some("far"), true)).await;
    assert_eq!(refused.expect(409)["code"], "engine_unfit");
    // What is there stays as it is, and so does what is asked of it.
    nodes.one.post(&format!("/v1/addons/{there}/rotate"), json!({})).await.expect(409);
    assert_eq!(nodes.one.settled(&there).await["state"], "ready");
    assert_eq!(nodes.far.containers(&there), container);

    nodes.two.restart();
    until("the engine to be reached again", async || (seen(&nodes.one, "far").await == "elsewhere file").then_some(()))
        .await;
    nodes.far.docker(&["rm", "--force", &container[0]]);
    until_within(MOVES_WITHIN, "its container", async || (nodes.far.containers(&there).len() == 1).then_some(())).await;
    for id in [&here, &there] {
        nodes.one.delete(&format!("/v1/addons/{id}")).await.expect(202);
        nodes.one.cleaned_up(id).await;
    }
    assert_eq!((nodes.near.containers(&here).len(), nodes.far.containers(&there).len()), (0, 0));
}
