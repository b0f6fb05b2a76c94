//! Deleted addons that are had back.

use serde_json::{Value, json};

use crate::support::{Engine, Host, Redis, guest_path, until};

fn run(host: &Host, args: &[&str]) -> String {
    let (code, out, error) = host.cli(args);
    assert_eq!(code, 0, "{args:?}\n{out}\n{error}");
    out
}

fn key(host: &Host) -> Option<String> {
    let environment = run(host, &["config", "show", "web", "--format", "env"]);
    environment.lines().find(|line| line.starts_with("SECRET_KEY=")).map(str::to_owned)
}

#[tokio::test]
async fn a_deleted_addon_is_had_back_by_command_line_whatever_happens_to_the_host() {
    let mut host = Host::empty_with(&["--delete-grace", "1h"]).await;
    let wasm = guest_path("secret");
    run(&host, &["provider", "upload", wasm.to_str().unwrap(), "--name", "secret"]);
    run(&host, &["app", "create", "web"]);
    let create = ["addon", "create", "secret", "--app", "web", "--wait", "--json"];
    let id = serde_json::from_str::<Value>(&run(&host, &create)).unwrap()["id"].as_str().unwrap().to_owned();
    let secret = key(&host).unwrap();
    let told = run(&host, &["addon", "delete", "web/secret"]);
    assert!(told.contains(&format!("larder addon undelete {id}")), "{told}");
    assert_eq!(key(&host), None);
    // What was given once is not taken back by an operator who gives nothing any more.
    host.kill();
    host.restart_with(&[]);
    let listed = run(&host, &["addon", "list", "--deleted"]);
    assert!(listed.contains("KEPT UNTIL") && listed.contains("web/secret") && listed.contains(&id), "{listed}");
    assert!(run(&host, &["addon", "show", "web/secret"]).contains("kept until:"));

    run(&host, &["config", "set", "web", "SECRET_KEY=mine"]);
    let (code, _, error) = host.cli(&["addon", "undelete", "web/secret"]);
    assert!(code == 1 && error.contains("code: variable_taken"), "{error}");
    run(&host, &["config", "unset", "web", "SECRET_KEY"]);
    run(&host, &["app", "delete", "web"]);
    assert!(host.cli(&["addon", "undelete", "web/secret"]).2.contains("code: unknown_app"));
    run(&host, &["app", "create", "web"]);
    run(&host, &["addon", "undelete", "web/secret", "--wait"]);
    assert_eq!(key(&host).as_ref(), Some(&secret), "the same as before");
    assert!(run(&host, &["addon", "events", "web/secret"]).contains("undeleted"));

    // Killed right after either answer: what was answered is so.
    host.stop();
    host.restart_with(&["--delete-grace", "1h"]);
    for _ in 0..3 {
        run(&host, &["addon", "delete", "web/secret"]);
        host.kill();
        host.restart();
        run(&host, &["addon", "undelete", &id]);
        host.kill();
        host.restart();
        assert_eq!(host.settled(&id).await["state"], "ready");
        assert_eq!(key(&host).as_ref(), Some(&secret));
    }
}

#[tokio::test]
async fn nothing_is_left_of_what_is_deleted_at_once() {
    let host = Host::empty_with(&["--delete-grace", "30d"]).await;
    let wasm = guest_path("secret");
    run(&host, &["provider", "upload", wasm.to_str().unwrap(), "--name", "secret"]);
    run(&host, &["app", "create", "web"]);
    run(&host, &["addon", "create", "secret", "--app", "web", "--wait"]);
    run(&host, &["addon", "delete", "web/secret"]);
    let (code, _, error) = host.cli(&["provider", "remove", "secret"]);
    assert!(code == 1 && error.contains("code: provider_in_use"), "{error}");
    run(&host, &["addon", "delete", "web/secret", "--now"]);
    let (code, _, error) = host.cli(&["addon", "undelete", "web/secret"]);
    assert!(code == 1 && error.contains("code: not_in_grace"), "{error}");
    let gone = async || (host.cli(&["provider", "remove", "secret"]).0 == 0).then_some(());
    until("the cleanup", gone).await;
}

#[tokio::test]
async fn world_docker_a_server_comes_back_with_its_data_at_the_same_address() {
    let name = "world_docker_a_server_comes_back_with_its_data_at_the_same_address";
    let Some(engine) = Engine::for_test(name) else { return };
    let host = engine.host_that_keeps().await;
    engine.install(&host, "redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis" })).await.id();
    let url = host.variables().await["REDIS_URL"].as_str().unwrap().to_owned();
    assert_eq!(Redis::connect(&url).unwrap().say(&["SET", "a", "1"]), Ok("OK".into()));
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    assert!(host.variables().await.get("REDIS_URL").is_none());
    let is_running = || engine.describe(&engine.containers(&id)[0])["State"]["Running"] == json!(true);
    until("the container to stop", async || (!is_running()).then_some(())).await;
    assert_eq!((engine.containers(&id).len(), engine.volumes(&id).len()), (1, 1));
    assert!(Redis::connect(&url).is_err(), "what is deleted can't be used");
    // Somebody tidies up: nothing that runs is in the installation's network. An engine starts no container again that was in it.
    let networks = engine.describe(&engine.containers(&id)[0])["NetworkSettings"]["Networks"].clone();
    networks.as_object().unwrap().keys().for_each(|network| drop(engine.docker(&["network", "rm", network])));

    let request = host.request(reqwest::Method::POST, &format!("/v1/addons/{id}/undelete"));
    let back = crate::support::Answer::of(request.header("prefer", "wait=60")).await.expect(200);
    assert_eq!(back["state"], "ready", "{back}");
    assert!(is_running());
    assert_eq!(host.variables().await["REDIS_URL"], json!(url));
    let kept = async || Redis::connect(&url).ok()?.say(&["GET", "a"]).ok().filter(|value| value == "1");
    until("the data", kept).await;
    host.delete(&format!("/v1/addons/{id}?now=true")).await.expect(202);
    engine.is_rid_of(&id).await;
}
