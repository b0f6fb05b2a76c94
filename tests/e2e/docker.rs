//! Containers and volumes on a real engine: made, kept, and removed, whatever happens in between.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Engine, Host, Redis, until};

const REDIS: &str = "larder-test/redis:1 memory=256MiB containers=2 commands=redis-cli";

fn container(more: &Value) -> Value {
    let mut document = json!({ "kind": "container", "name": "server", "image": "larder-test/redis:1",
        "memory_bytes": 64 << 20, "user": "999:999", "command": ["redis-server", "--save", ""] });
    document.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    document
}

/// A registry that has nothing; its port. Engines take one on loopback without TLS.
async fn registry_without_images() -> u16 {
    let answer = |found: bool| {
        let body =
            if found { "{}" } else { r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"# };
        let status = if found { "200 OK" } else { "404 Not Found" };
        let head = "Docker-Distribution-Api-Version: registry/2.0\r\nContent-Type: application/json";
        format!("HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap_or_default();
            let is_ping = head[..read].starts_with(b"GET /v2/ ");
            let _gone = stream.write_all(answer(is_ping).as_bytes()).await;
        }
    });
    port
}

fn crane(name: &str, parameters: &Value) -> Value {
    json!({ "service": "crane", "name": name, "attach_as": name, "parameters": parameters })
}

async fn url(host: &Host) -> String {
    host.variables().await["REDIS_URL"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn world_docker_a_server_of_ones_own_is_used_and_removed() {
    let Some(engine) = Engine::for_test("world_docker_a_server_of_ones_own_is_used_and_removed") else { return };
    let host = engine.host_with("redis", "redis").await;
    let made = host.create_and_wait(json!({ "service": "redis" })).await;
    let id = made.id();
    assert_eq!(made.body["state"], "ready", "{}", made.text);
    let mut redis = Redis::connect(&url(&host).await).unwrap();
    assert_eq!(redis.say(&["SET", "a", "1"]), Ok("OK".into()));
    assert_eq!(engine.containers(&id).len(), 1);
    assert_eq!(engine.volumes(&id).len(), 1);

    // What every container gets, as the engine has it.
    let it = engine.describe(&engine.containers(&id)[0]);
    let host_config = &it["HostConfig"];
    assert_eq!((&host_config["Privileged"], &host_config["PidsLimit"]), (&json!(false), &json!(64)));
    assert_eq!((&host_config["CapDrop"], &host_config["ReadonlyRootfs"]), (&json!(["ALL"]), &json!(true)));
    assert!(host_config["SecurityOpt"].to_string().contains("no-new-privileges"), "{host_config}");
    assert_eq!(host_config["Memory"], host_config["MemorySwap"]);
    assert_eq!(it["Config"]["Labels"]["larder.addon"], json!(id));

    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    engine.is_rid_of(&id).await;
    assert!(host.variables().await.get("REDIS_URL").is_none());
}

#[tokio::test]
async fn world_docker_what_somebody_stops_or_removes_is_there_again_with_its_data() {
    let name = "world_docker_what_somebody_stops_or_removes_is_there_again_with_its_data";
    let Some(engine) = Engine::for_test(name) else { return };
    let host = engine.host_with("redis", "redis").await;
    let id = host.create_and_wait(json!({ "service": "redis" })).await.id();
    let url = url(&host).await;
    assert_eq!(Redis::connect(&url).unwrap().say(&["SET", "a", "1"]), Ok("OK".into()));
    // One that is removed is seen to end before it is gone, or to be gone: it is told once.
    for (words, events) in
        [(&["kill"][..], &["container_ended"][..]), (&["rm", "--force"], &["container_ended", "container_lost"])]
    {
        let tells = async || {
            host.history(&id).await.iter().filter(|line| events.iter().any(|event| line["kind"] == *event)).count()
        };
        let before = tells().await;
        engine.docker(&[words, &[&engine.containers(&id)[0]]].concat());
        let told = async || (tells().await > before).then_some(());
        tokio::time::timeout(Duration::from_secs(10), until("the history to tell", told)).await.unwrap();
        let ill = async || {
            let mut said = host.history(&id).await.into_iter().filter(|line| line["kind"] == "health");
            said.any(|line| line["data"]["health"] == "unhealthy" && line["message"].to_string().contains("server"))
                .then_some(())
        };
        tokio::time::timeout(Duration::from_secs(10), until("its health to tell", ill)).await.unwrap();
        // At the same address, with the same password.
        let kept = async || Redis::connect(&url).ok()?.say(&["GET", "a"]).ok().filter(|value| value == "1");
        until("the server to be back with its data", kept).await;
        let path = format!("/v1/addons/{id}");
        let well = async || (host.get(&path).await.expect(200)["health"]["state"] == "healthy").then_some(());
        until("its health to be good again", well).await;
    }
    assert_eq!(engine.containers(&id).len(), 1);
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    engine.is_rid_of(&id).await;
}

#[tokio::test]
async fn world_docker_a_crash_at_any_moment_leaves_one_container_or_none() {
    let name = "world_docker_a_crash_at_any_moment_leaves_one_container_or_none";
    let Some(engine) = Engine::for_test(name) else { return };
    let mut host = engine.host_with("redis", "redis").await;
    for (at, after_ms) in [0_u64, 20, 60, 120, 250, 400, 600].into_iter().enumerate() {
        let name = format!("r{at}");
        let asks = json!({ "service": "redis", "name": name, "attach_as": name });
        let id = host.create(asks).await.id();
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        host.kill();
        host.restart();
        assert_eq!(host.settled(&id).await["state"], "ready");
        assert_eq!((engine.containers(&id).len(), engine.volumes(&id).len()), (1, 1), "after {after_ms} ms");
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        tokio::time::sleep(Duration::from_millis(after_ms / 4)).await;
        host.kill();
        host.restart();
        engine.is_rid_of(&id).await;
    }
}

#[tokio::test]
async fn world_docker_twenty_at_once_have_twenty_ports() {
    let Some(engine) = Engine::for_test("world_docker_twenty_at_once_have_twenty_ports") else { return };
    let host = engine.host_with("redis", "redis").await;
    let asks = (0..20).map(|n| json!({ "service": "redis", "name": format!("r{n}"), "attach_as": format!("r{n}") }));
    let ids: Vec<String> =
        futures_util::future::join_all(asks.map(|asks| host.create(asks))).await.iter().map(|a| a.id()).collect();
    for id in &ids {
        let settled = host.settled(id).await;
        assert_eq!(settled["state"], "ready", "{settled}");
    }
    let variables = host.variables().await;
    let urls: Vec<&str> = (0..20).map(|n| variables[format!("R{n}_REDIS_URL")].as_str().unwrap()).collect();
    let ports: std::collections::BTreeSet<&str> = urls.iter().map(|url| url.rsplit(':').next().unwrap()).collect();
    assert_eq!(ports.len(), 20);
    urls.iter().for_each(|url| assert_eq!(Redis::connect(url).unwrap().say(&["PING"]), Ok("PONG".into())));
    for id in &ids {
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    }
    for id in &ids {
        engine.is_rid_of(id).await;
    }
}

#[tokio::test]
async fn world_docker_what_can_not_be_made_says_why_and_leaves_nothing() {
    let Some(engine) = Engine::for_test("world_docker_what_can_not_be_made_says_why_and_leaves_nothing") else {
        return;
    };
    let missing = format!("127.0.0.1:{}/nowhere:1", registry_without_images().await);
    let missing = missing.as_str();
    let host = engine.host_with_crane(&[REDIS, missing]).await;
    for (name, document, code, why) in [
        (
            "ungranted",
            json!({ "image": "larder-test/postgres:1" }),
            "provider_failed",
            "no grant permits larder-test/postgres:1",
        ),
        ("greedy", json!({ "memory_bytes": 512_u64 << 20 }), "provider_failed", "memory=512MiB"),
        ("missing", json!({ "image": missing }), "provider_failed", missing),
        ("ends", json!({ "command": ["redis-server", "--no-such-word"] }), "provider_failed", "no-such-word"),
        ("absent", json!({ "entrypoint": ["/no/such/program"] }), "provider_failed", "/no/such/program"),
        ("privileged", json!({ "privileged": true }), "provider_failed", "unknown field"),
        ("socket", json!({ "mounts": [{ "volume": "../../var/run", "path": "/x" }] }), "provider_failed", "name"),
        ("homeless", json!({ "mounts": [{ "volume": "data", "path": "/x" }] }), "provider_failed", "no volume data"),
    ] {
        let made =
            host.create_and_wait(crane(name, &json!({ "objects": [container(&document)], "settle": true }))).await;
        let (id, error) = (made.id(), &made.body["error"]);
        assert_eq!((&made.body["state"], &error["code"]), (&json!("error"), &json!(code)), "{name}: {}", made.text);
        assert!(error["reason"].as_str().unwrap().contains(why), "{name}: {error}");
        engine.is_rid_of(&id).await;
        let denied = host.history(&id).await.iter().any(|line| line["kind"] == "denied");
        assert_eq!(denied, matches!(name, "ungranted" | "greedy"), "{name}");
    }
}

#[tokio::test]
async fn world_docker_commands_run_in_ones_own_containers_if_granted() {
    let Some(engine) = Engine::for_test("world_docker_commands_run_in_ones_own_containers_if_granted") else { return };
    let host = engine.host_with_crane(&[REDIS]).await;
    let with = |command: Value| json!({ "objects": [container(&json!({}))], "exec": { "container": "server", "command": command } });
    let retried = async |command: Value, name: &str| {
        let made = host.create_and_wait(crane(name, &with(command))).await;
        (made.id(), made.body)
    };
    let (id, made) = retried(json!(["redis-cli", "--version"]), "fine").await;
    assert_eq!(made["state"], "ready", "{made}");
    assert!(host.variables().await["FINE_CRANE_SAID"].as_str().unwrap().starts_with("0 redis-cli"));
    let (other, refused) = retried(json!(["sh", "-c", "id"]), "refused").await;
    assert!(refused["error"]["reason"].as_str().unwrap().contains("sh in larder-test/redis:1"), "{refused}");
    for id in [id, other] {
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        engine.is_rid_of(&id).await;
    }
}

#[tokio::test]
async fn world_docker_objects_go_when_their_provider_traps_loops_or_is_removed() {
    let name = "world_docker_objects_go_when_their_provider_traps_loops_or_is_removed";
    let Some(engine) = Engine::for_test(name) else { return };
    let host = engine.host_with_crane(&[REDIS, "volumes=1"]).await;
    host.provider(&["limit", "crane", "cpu_ms=200"]);
    let volume = json!({ "kind": "volume", "name": "data" });
    let with_volume = container(&json!({ "mounts": [{ "volume": "data", "path": "/data" }] }));
    let mut ids = vec![];
    for how in ["trap", "loop", "gone"] {
        let parameters = json!({ "objects": [volume, with_volume], "deprovision": how });
        let made = host.create_and_wait(crane(how, &parameters)).await;
        assert_eq!(made.body["state"], "ready", "{}", made.text);
        ids.push(made.id());
    }
    // Five attempts, with growing pauses between them.
    for id in &ids[..2] {
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    }
    for (id, why) in ids.iter().zip(["unreachable", "CPU"]) {
        assert_eq!((engine.containers(id).len(), engine.volumes(id).len()), (1, 1), "its provider may still need them");
        let failing = async || {
            let cleanup = host.get(&format!("/v1/addons/{id}")).await.expect(200)["cleanup"].clone();
            (cleanup["attempts"] == 5).then_some(cleanup)
        };
        let cleanup = until("the last attempt", failing).await;
        assert_eq!(cleanup["state"], "failing");
        assert!(cleanup["last_error"].as_str().unwrap().contains(why), "{cleanup}");
        engine.is_rid_of(id).await;
    }
    host.delete("/v1/providers/crane?force=true").await.expect(204);
    host.delete(&format!("/v1/addons/{}", ids[2])).await.expect(202);
    engine.is_rid_of(&ids[2]).await;
}

#[tokio::test]
async fn world_docker_who_says_that_nothing_is_left_is_not_believed() {
    let Some(engine) = Engine::for_test("world_docker_who_says_that_nothing_is_left_is_not_believed") else { return };
    let host = engine.host_with_crane(&[REDIS, "volumes=2"]).await;
    let volume = |name: &str| json!({ "kind": "volume", "name": name });
    let late = json!([volume("late-data"), container(&json!({ "name": "late" }))]);
    let parameters = json!({ "objects": [volume("data"), container(&json!({}))], "deprovision": "lie", "late": late });
    let id = host.create_and_wait(crane("liar", &parameters)).await.id();
    assert_eq!((engine.containers(&id).len(), engine.volumes(&id).len()), (1, 1));
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.cleaned_up(&id).await;
    // At once, and for good: what it wanted last was heard by nobody, and a crash changes nothing in that.
    assert_eq!((engine.containers(&id).len(), engine.volumes(&id).len()), (0, 0));
    let mut host = host;
    host.kill();
    host.restart();
    let other = host.create_and_wait(crane("honest", &json!({ "objects": [container(&json!({}))] }))).await.id();
    assert_eq!((engine.containers(&id).len(), engine.volumes(&id).len()), (0, 0));
    host.delete(&format!("/v1/addons/{other}")).await.expect(202);
    engine.is_rid_of(&other).await;
}

#[tokio::test]
async fn world_docker_a_cleanup_that_fails_is_not_hastened_by_what_it_wants() {
    let test = "world_docker_a_cleanup_that_fails_is_not_hastened_by_what_it_wants";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with_crane(&[REDIS, "volumes=1"]).await;
    // The volume is made, and the host would tell the provider; the container can't have its name, so the call fails.
    let late = json!([{ "kind": "volume", "name": "late" }, container(&json!({ "name": "late" }))]);
    let asks = crane("restless", &json!({ "objects": [], "deprovision": "lie", "late": late }));
    let id = host.create_and_wait(asks).await.id();
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    let attempts = async |at_least: u64| {
        let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
        addon["cleanup"]["attempts"].as_u64().filter(|attempts| *attempts >= at_least)
    };
    assert_eq!(until("an attempt", async || attempts(1).await).await, 1);
    let seen = Instant::now();
    until("another", async || attempts(2).await).await;
    assert!(seen.elapsed() > Duration::from_millis(1_500), "after {:?}", seen.elapsed());
    assert_eq!(engine.volumes(&id).len(), 1);
    engine.is_rid_of(&id).await;
}

#[tokio::test]
async fn world_docker_two_installations_leave_each_other_alone() {
    let Some(engine) = Engine::for_test("world_docker_two_installations_leave_each_other_alone") else { return };
    let (one, other) = (engine.host_with("redis", "redis").await, engine.host_with("redis", "redis").await);
    let (a, b) = (
        one.create_and_wait(json!({ "service": "redis" })).await.id(),
        other.create_and_wait(json!({ "service": "redis" })).await.id(),
    );
    assert_ne!(url(&one).await, url(&other).await);
    one.delete(&format!("/v1/addons/{a}")).await.expect(202);
    engine.is_rid_of(&a).await;
    assert_eq!((engine.containers(&b).len(), engine.volumes(&b).len()), (1, 1));
    assert_eq!(Redis::connect(&url(&other).await).unwrap().say(&["PING"]), Ok("PONG".into()));
    other.delete(&format!("/v1/addons/{b}")).await.expect(202);
    engine.is_rid_of(&b).await;
}
