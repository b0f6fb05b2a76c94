//! Kill -9 at any moment, start again: every addon goes on.

use reqwest::Method;
use serde_json::json;

use crate::support::{Host, behave, until};

#[tokio::test]
async fn an_addon_in_every_state_goes_on_after_a_kill() {
    let mut host = Host::start(&["chameleon", "secret"]).await;
    let pending = |after_ms: u64| json!({ "pending": { "after_ms": after_ms, "message": "not yet" } });
    let create = |name: &str, behaviour: serde_json::Value| {
        let mut request = behave(behaviour);
        request["name"] = json!(name);
        request["attach_as"] = json!(name);
        request
    };
    let ready = host.create_and_wait(create("ready", json!({}))).await.id();
    let failed = host
        .create_and_wait(create("failed", json!({ "begin": { "failed": "no" }, "deprovision": pending(500) })))
        .await
        .id();
    let gone = host.create_and_wait(create("gone", json!({ "deprovision": [pending(500), { "ok": {} }] }))).await.id();
    host.delete(&format!("/v1/addons/{gone}")).await.expect(202);
    let waiting =
        host.create(create("waiting", json!({ "complete": [pending(500), pending(500), { "ok": {} }] }))).await.id();
    let in_a_call = host
        .create(create("incall", json!({ "begin": { "do": [{ "sleep_ms": 1_500 }, { "message": "begun" }] } })))
        .await
        .id();
    let before = host.variables().await;
    until("a first answer", || async {
        host.calls(&waiting).await.contains(&"provision-complete pending".to_owned()).then_some(())
    })
    .await;

    host.kill();
    host.restart();

    assert_eq!(host.settled(&ready).await["state"], "ready");
    assert_eq!(host.settled(&failed).await["state"], "error");
    assert_eq!(host.settled(&waiting).await["state"], "ready");
    assert_eq!(host.settled(&in_a_call).await["state"], "ready");
    host.cleaned_up(&gone).await;
    let after = host.variables().await;
    assert_eq!(after["READY_CHAMELEON_URL"], before["READY_CHAMELEON_URL"]);
    assert_eq!(after["WAITING_CHAMELEON_URL"], format!("chameleon://{waiting}"));
}

#[tokio::test]
async fn kills_at_random_moments_lose_no_addon_and_change_no_secret() {
    kill_again_and_again(Host::start(&["chameleon"]).await).await;
}

/// Kills a host with an app `demo` and a chameleon, wherever it keeps what it has.
pub(crate) async fn kill_again_and_again(mut host: Host) {
    let mut accepted = vec![];
    for round in 0..6 {
        for number in 0..4 {
            let name = format!("r{round}-{number}");
            let mut request = behave(json!({
                "begin": { "do": [{ "set_state": { "k1": name } }, { "checkpoint": {} }, { "ok": {} }] },
                "complete": [{ "pending": { "after_ms": 30 * number, "message": "not yet" } }, { "ok": {} }],
            }));
            request["name"] = json!(name);
            request["attach_as"] = json!(name.replace('-', "_"));
            accepted.push((name, host.create(request).await.id()));
        }
        // Another moment in each round: the kill falls between different writes.
        tokio::time::sleep(std::time::Duration::from_millis(7 * round)).await;
        host.kill();
        host.restart();
    }
    for (name, id) in &accepted {
        let addon = host.settled(id).await;
        assert_eq!((&addon["state"], &addon["name"]), (&json!("ready"), &json!(name)), "{addon}");
    }
    let before = host.variables().await;
    let of_addons = before.as_object().unwrap().keys().filter(|name| name.contains("CHAMELEON")).count();
    assert_eq!(of_addons, accepted.len() * 2);
    host.kill();
    host.restart();
    assert_eq!(host.variables().await, before);
}

#[tokio::test]
async fn a_second_host_on_the_same_data_is_refused() {
    let host = Host::start(&[]).await;
    let (code, _, error) = host.cli(&["serve", "--listen", "127.0.0.1:0"]);
    assert_ne!(code, 0);
    assert!(error.contains("is in use by process"), "{error}");
    host.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn a_lost_key_is_not_replaced() {
    let mut host = Host::start(&[]).await;
    host.kill();
    let key = host.dir().join("sealing.key");
    std::fs::remove_file(&key).unwrap();
    let (code, _, error) = host.cli(&["serve", "--listen", "127.0.0.1:0"]);
    assert_ne!(code, 0);
    assert!(error.contains("sealing.key is missing") && error.contains("backup"), "{error}");
    assert!(!key.exists());
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_end() {
    let mut host = Host::start(&[]).await;
    let stream = host.request(Method::GET, "/v1/events").header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    host.stop();
    let log = std::fs::read_to_string(host.dir().join("host.log")).unwrap();
    assert!(!log.contains("closing connections that are still open"), "{log}");
    stream.bytes().await.unwrap();
}

#[tokio::test]
async fn nothing_secret_is_readable_in_the_data_directory() {
    let host = Host::start(&["secret", "parameters"]).await;
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    let marker = "plain-text-marker-4711";
    host.create_and_wait(json!({ "service": "parameters", "parameters": { "GREETING": marker } })).await.expect(201);
    host.patch("/v1/apps/demo/config", json!({ "OWN": "plain-own-marker-4712" })).await.expect(200);
    let secret = host.variables().await["SECRET_KEY"].as_str().unwrap().to_owned();
    let mut read = 0;
    for entry in std::fs::read_dir(host.dir()).unwrap().map(Result::unwrap).filter(|e| e.file_type().unwrap().is_file())
    {
        let bytes = std::fs::read(entry.path()).unwrap();
        read += bytes.len();
        for needle in [secret.as_str(), marker, "plain-own-marker-4712"] {
            let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!found, "{needle:?} is readable in {}", entry.path().display());
        }
    }
    assert!(read > 10_000);
}
