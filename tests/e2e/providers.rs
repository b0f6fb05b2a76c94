//! Providers as their operator sees them: uploaded, listed, replaced, rolled back, removed.

use serde_json::{Value, json};

use crate::support::{Host, behave, guest, until};

#[tokio::test]
async fn an_upload_becomes_a_version_and_its_services_can_be_had() {
    let host = Host::empty().await;
    let uploaded = host.upload("secret", guest("secret")).await;
    let location = uploaded.headers["location"].to_str().unwrap().to_owned();
    let version = uploaded.expect(201);
    assert_eq!(host.get(&location).await.expect(200), version);
    let catalog = host.get("/v1/catalog").await.expect(200);
    assert_eq!(
        (&catalog["services"][0]["name"], &catalog["services"][0]["variables"]),
        (&json!("secret"), &json!(["SECRET_KEY"]))
    );
    assert_eq!(host.upload("secret", guest("secret")).await.expect(200)["digest"], version["digest"]);
    let provider = host.get("/v1/providers/secret").await.expect(200);
    assert_eq!((&provider["component_kind"], provider["versions"].as_array().unwrap().len()), (&json!("provider"), 1));
}

#[tokio::test]
async fn whoever_does_not_wait_can_follow_the_check() {
    let host = Host::empty().await;
    let (version, seen) = host.follow("chameleon", guest("chameleon"), async || ()).await;
    assert!(seen.contains(&json!("compiling")), "{seen:?}");
    assert!(seen.iter().all(|stage| stage.is_string()), "{seen:?}");
    assert_eq!((&version["state"], &version["check"]), (&json!("active"), &Value::Null));
}

#[tokio::test]
async fn providers_that_come_and_go_are_no_concern_of_the_others() {
    let host = Host::start(&["chameleon"]).await;
    let churn = async {
        for round in 0..25 {
            let name = format!("passing-{}", round % 3);
            host.upload(&name, guest("secret")).await;
            host.delete(&format!("/v1/providers/{name}?force=true")).await;
        }
    };
    let work = async {
        for number in 0..150 {
            let mut request = behave(json!({}));
            request["name"] = json!(format!("n{number}"));
            request["attach_as"] = json!(format!("n{number}"));
            let made = host.create_and_wait(request).await;
            let id = made.id();
            assert_eq!(made.expect(201)["state"], "ready");
            let calls = host.calls(&id).await;
            assert!(!calls.iter().any(|call| call.contains("fault")), "{calls:?}");
        }
    };
    tokio::join!(churn, work);
}

#[tokio::test]
async fn a_new_version_serves_existing_addons_and_can_be_rolled_back() {
    let host = Host::start(&["secret"]).await;
    let id = host.create_and_wait(json!({ "service": "secret" })).await.id();
    let first = host.get("/v1/providers/secret").await.expect(200)["active"].as_str().unwrap().to_owned();
    host.upload("secret", guest("second-secret")).await.expect(201);
    assert_ne!(host.get("/v1/providers/secret").await.expect(200)["active"], first);
    assert!(
        host.variables().await["SECRET_KEY"].as_str().unwrap().len() == 100,
        "an existing addon keeps its variables"
    );
    let back = host.post(&format!("/v1/providers/secret/versions/{first}/activate"), json!({})).await.expect(200);
    assert_eq!(back["active"], first);
    assert_eq!(host.settled(&id).await["state"], "ready");
}

#[tokio::test]
async fn a_provider_in_use_is_removed_only_by_force() {
    let host = Host::start(&["chameleon"]).await;
    let waiting = json!({ "complete": { "pending": { "after_ms": 600_000, "message": "not yet" } } });
    let id = host.create(behave(waiting)).await.id();
    host.delete("/v1/providers/chameleon").await.problem(409, "provider_in_use");
    host.delete("/v1/providers/chameleon?force=true").await.expect(204);
    let addon = until("the end of its addon", || async {
        let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
        (addon["state"] == "error").then_some(addon)
    })
    .await;
    assert_eq!(addon["error"]["code"], "provider_gone");
    host.get("/v1/providers/chameleon").await.problem(404, "unknown_provider");
    host.create(behave(json!({}))).await.problem(404, "unknown_service");
}

#[tokio::test]
async fn an_app_with_addons_is_deleted_only_by_cascade() {
    let host = Host::start(&["secret"]).await;
    let id = host.create_and_wait(json!({ "service": "secret" })).await.id();
    host.delete("/v1/apps/demo").await.problem(409, "app_in_use");
    host.delete("/v1/apps/demo?cascade=true").await.expect(204);
    host.get("/v1/apps/demo").await.problem(404, "unknown_app");
    assert_eq!(host.settled(&id).await["state"], "deprovisioned");
}
