//! Engines that are added to a server that runs.

use serde_json::{Value, json};

use super::{crane, made, states, with_crane};
use crate::support::{Engine, Host, SecondEngine, until};

/// The words that add an engine behind TLS.
pub(crate) fn words(far: &SecondEngine, more: &[&str]) -> Vec<String> {
    let file = |name: &str| far.file(name).to_str().unwrap().to_owned();
    let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
    let words = ["engine", "add", "far", &far.url(), "--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &key];
    words.iter().chain(more).map(ToString::to_string).collect()
}

pub(crate) fn cli(host: &Host, words: &[String]) -> (i32, String, String) {
    host.cli(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn an_engine_that_can_not_be_used_is_not_added_and_who_asks_hears_why() {
    let host = Host::empty_with(&["--engine", "none"]).await;
    for (words, status, code) in [
        (&["far", "unix:///nowhere/docker.sock"][..], 1, "engine_unusable"),
        (&["far", "tcp://10.0.0.1:2375", "--publish-at", "10.0.0.1"], 1, "invalid_definition"),
        (&["far", "tcp://10.0.0.1:2375", "--insecure"], 1, "publish_at"),
        (&["Far", "unix:///nowhere/docker.sock"], 1, "invalid_name"),
        (&["far", "unix:///a", "--label", "disk"], 2, "KEY=VALUE"),
        (&["far", "tcp://a:1", "--tls-ca", "a.pem"], 2, "--tls-cert"),
    ] {
        let (ended, _, said) = host.cli(&[&["engine", "add"], words].concat());
        assert!(ended == status && said.contains(code), "{words:?}: {said}");
    }
    assert_eq!(states(&host).await, Vec::<String>::new());
}

#[tokio::test]
async fn world_docker_an_engine_is_added_used_after_a_restart_and_given_up() {
    let name = "world_docker_an_engine_is_added_used_after_a_restart_and_given_up";
    let Some(near) = Engine::for_test(name) else { return };
    let far = SecondEngine::start(&near).await;
    let mut host = with_crane(Host::empty_with(&["--engine", "none"]).await).await;
    let (code, said, error) = cli(&host, &words(&far, &["--ports", "23000-23499", "--label", "disk=ssd"]));
    assert!(code == 0, "{said}{error}");
    let (_, table, _) = host.cli(&["engine", "list"]);
    assert!(table.contains("added") && table.contains("reachable") && table.contains("disk=ssd"), "{table}");
    // Nobody is shown the key, wherever they look.
    let key = std::fs::read_to_string(far.file("key.pem")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let shown = [host.get("/v1/engines").await.text, host.get("/v1/audit").await.text, host.log()];
    assert!(shown.iter().all(|text| !text.contains(secret)));

    let one = made(&host, "one", "disk=ssd").await["id"].as_str().unwrap().to_owned();
    assert_eq!(far.containers(&one).len(), 1);
    let moved: Vec<String> =
        words(&far, &[]).iter().map(|word| word.replace("tcp://127.0.0.1", "tcp://localhost")).collect();
    let (code, _, said) = cli(&host, &moved);
    assert!(code == 1, "{said}");

    host.stop();
    host.restart();
    assert_eq!(states(&host).await, ["far reachable 1"]);
    let two = made(&host, "two", "far").await["id"].as_str().unwrap().to_owned();
    // It is watched: what somebody removes is there again.
    far.docker(&["rm", "--force", &far.containers(&one)[0]]);
    until("the container to be back", || async { (far.containers(&one).len() == 1).then_some(()) }).await;
    // A server that is started with one of its name is told what to do.
    host.stop();
    let file = host.dir().join("engines.json");
    std::fs::write(&file, json!({ "engines": { "far": { "url": "unix:///nowhere/a.sock" } } }).to_string()).unwrap();
    let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_larder"));
    serve.env_remove("LARDER_ENGINE").args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(host.dir());
    let refused = serve.arg("--engines").arg(&file).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("was added with `larder engine add` too"), "{said}");
    host.restart();

    let (code, _, said) = host.cli(&["engine", "forget", "far"]);
    assert!(code == 1 && said.contains("2 addons are on the engine `far`") && said.contains("--now"), "{said}");
    for id in [&one, &two] {
        host.delete(&format!("/v1/addons/{id}?now=true")).await.expect(202);
        host.cleaned_up(id).await;
        assert_eq!(far.containers(id), Vec::<String>::new());
    }
    let (code, said, error) = host.cli(&["engine", "forget", "far"]);
    assert!(code == 0, "{said}{error}");
    assert_eq!(states(&host).await, Vec::<String>::new());
    let own = || async {
        let networks = far.docker(&["network", "ls", "--quiet", "--filter", "label=larder.installation"]);
        networks.is_empty().then_some(())
    };
    until("its network to go with the last of it", own).await;
    let waiting: Value = host.create(crane("three", None, true)).await.expect(202);
    assert_eq!(waiting["engine"], Value::Null);
}
