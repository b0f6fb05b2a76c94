//! What the shipped providers do with addons that are ready: another plan, new credentials, and the answer to how they do.

mod broker;
mod dumps;
mod logins;
mod options;
mod queue;
mod redis;
mod sql;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Engine, Host, until_within};

/// How long an operation may take that starts a server anew: some take a minute where others are at work, too.
const OPERATION_MAX: Duration = Duration::from_secs(180);
/// How long it may take until it is known how an addon does.
const HEALTH_MAX: Duration = Duration::from_secs(150);

/// Asks for another plan or other parameters, and waits until that has succeeded or failed: the addon.
pub(crate) async fn update(host: &Host, id: &str, body: Value) -> Value {
    let asked = host.patch(&format!("/v1/addons/{id}"), body).await;
    assert!(matches!(asked.status, 200 | 202), "{}", asked.text);
    ended(host, id).await
}

/// Asks for new credentials, and waits until the app has them: the addon, whose old ones still work.
async fn rotate(host: &Host, id: &str, overlap_s: u64) -> Value {
    let request = host.request(reqwest::Method::POST, &format!("/v1/addons/{id}/rotate"));
    let asked = Answer::of(request.header("prefer", "wait=60").json(&json!({ "overlap_s": overlap_s }))).await;
    let addon = asked.expect(200);
    // An overlap of nothing is over before anybody has looked.
    assert!(overlap_s == 0 || addon["operation"]["stage"] == "overlap", "{addon}");
    assert_eq!(addon["operation"]["error"], json!(null), "{addon}");
    addon
}

/// An addon whose provider has the interfaces of the documents' world `mine`.
pub(crate) async fn is_rotated_and_tells_how_it_does(host: &Host, provider: &str, id: &str) {
    let catalog = host.get("/v1/catalog").await.expect(200);
    let offer = catalog["services"].as_array().unwrap().iter().find(|offer| offer["provider"] == provider).unwrap();
    assert_eq!(offer["exports"], json!(["rotation", "health"]), "{offer}");
    rotate(host, id, 0).await;
    assert_eq!(succeeded(host, id).await["generation"], 1);
    health_is(host, id, "healthy").await;
}

/// Waits for the end of an operation: the addon.
async fn ended(host: &Host, id: &str) -> Value {
    until_within(OPERATION_MAX, "the operation to end", async || {
        let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
        (addon["operation"]["state"] != "running").then_some(addon)
    })
    .await
}

/// Waits for the end of an operation, which is to be a success.
async fn succeeded(host: &Host, id: &str) -> Value {
    let addon = ended(host, id).await;
    assert_eq!(addon["operation"]["state"], "succeeded", "{addon}");
    addon
}

/// Has the credentials of an addon not work, and work again: its provider tells both, since it logs in. So it does of a server that
/// stops in its tracks. That is asked about once a minute, and when something happened to the container.
async fn falls_ill_and_recovers(engine: &Engine, host: &Host, id: &str, spoil: impl AsyncFn(), mend: impl AsyncFn()) {
    let container = engine.containers(id)[0].clone();
    spoil().await;
    engine.docker(&["restart", &container]);
    health_is(host, id, "unhealthy").await;
    mend().await;
    engine.docker(&["restart", &container]);
    health_is(host, id, "healthy").await;
    stops_in_its_tracks_and_goes_on(engine, host, id).await;
}

/// Has a server stand still, and go on: in the meantime the kernel takes connections for it, and nobody says anything on them.
async fn stops_in_its_tracks_and_goes_on(engine: &Engine, host: &Host, id: &str) {
    let container = engine.containers(id)[0].clone();
    let signal = |signal: &str| {
        // All but the first process, which passes signals on, and the shell itself.
        engine.docker(&["exec", &container, "sh", "-c", &format!("kill -{signal} -1")]);
        // Servers ignore this one; but something has happened to the container, so its provider is asked at once.
        engine.docker(&["kill", "--signal=WINCH", &container]);
    };
    signal("STOP");
    let health = health_is(host, id, "unhealthy").await;
    assert!(health["reason"].as_str().is_some_and(|reason| reason.contains("in time")), "{health}");
    signal("CONT");
    health_is(host, id, "healthy").await;
}

async fn health_is(host: &Host, id: &str, state: &str) -> Value {
    until_within(HEALTH_MAX, &format!("the addon to be {state}"), async || {
        let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
        (addon["health"]["state"] == state).then(|| addon["health"].clone())
    })
    .await
}

async fn delete(engine: &Engine, host: &Host, id: &str) {
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    engine.is_rid_of(id).await;
}

#[tokio::test]
async fn a_secret_is_replaced_and_can_have_another_length() {
    let host = Host::start(&["secret"]).await;
    let secret = async || host.variables().await["SECRET_KEY"].as_str().unwrap().to_owned();
    let id = host.create_and_wait(json!({ "service": "secret" })).await.id();
    let first = secret().await;
    let rotated = rotate(&host, &id, 1).await;
    assert_eq!(rotated["generation"], 1, "{rotated}");
    let second = secret().await;
    assert_eq!((first.len(), second.len()), (100, 100));
    assert_ne!(first, second);
    succeeded(&host, &id).await;

    let updated = update(&host, &id, json!({ "parameters": { "length": 32 } })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    assert_eq!((updated["parameters"]["length"].as_u64(), secret().await.len()), (Some(32), 32));
    for length in [15, 257] {
        let refused = host.patch(&format!("/v1/addons/{id}"), json!({ "parameters": { "length": length } })).await;
        refused.problem(422, "invalid_parameters");
    }
}

#[tokio::test]
async fn other_parameters_are_other_variables() {
    let host = Host::start(&["parameters"]).await;
    let asks = json!({ "service": "parameters", "parameters": { "GREETING": "hello", "GONE": "soon" } });
    let id = host.create_and_wait(asks).await.id();
    let updated = update(&host, &id, json!({ "parameters": { "GREETING": "good evening", "NEW": "yes" } })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    let variables = host.variables().await;
    assert_eq!((&variables["GREETING"], &variables["NEW"]), (&json!("good evening"), &json!("yes")), "{variables}");
    assert!(variables.get("GONE").is_none(), "{variables}");
    host.post(&format!("/v1/addons/{id}/rotate"), json!({})).await.problem(409, "not_supported");
}
