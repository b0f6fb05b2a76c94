//! Everything wrong with a request for an addon: each has its code and a word that helps, and nothing is stored.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{TestHost, manifest, manifest_of};

/// A request for the service `thing`, with more fields.
fn thing(more: Value) -> Value {
    let mut body = json!({ "service": "thing", "provider": "thing" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn each_mistake_has_its_code() {
    let host = TestHost::builder()
        .provider("thing", manifest())
        .provider("twin", manifest_of("thing", json!(["TWIN"])))
        .start()
        .await;
    host.put("/v1/apps/demo").await.expect(201);
    let cases = [
        (json!({ "service": "nosuch" }), 404, "unknown_service", "nosuch"),
        (json!({ "service": "No Such" }), 400, "invalid_name", "No Such"),
        (json!({ "service": "thing" }), 409, "ambiguous_service", "twin"),
        (thing(json!({ "provider": "nosuch" })), 404, "unknown_provider", "nosuch"),
        (thing(json!({ "provider": "" })), 400, "invalid_name", "provider"),
        (thing(json!({ "plan": "gold" })), 404, "unknown_plan", "small, large"),
        (thing(json!({ "plan": "GOLD" })), 400, "invalid_name", "GOLD"),
        (thing(json!({ "name": "../x" })), 400, "invalid_name", "../x"),
        (thing(json!({ "name": "a".repeat(64) })), 400, "invalid_name", "63"),
        (thing(json!({ "attach_as": "bad-name" })), 400, "invalid_attach_as", "bad-name"),
        (thing(json!({ "attach_as": "1a" })), 400, "invalid_attach_as", "1a"),
        (thing(json!({ "attach_as": "" })), 400, "invalid_attach_as", "attach_as"),
        (thing(json!({ "attach_as": "LD" })), 400, "invalid_variable", "LD_THING_URL"),
        (thing(json!({ "plam": "small" })), 400, "unknown_field", "plam"),
        (thing(json!({ "provision_type": "shared" })), 422, "provision_type_not_offered", "independent, communal"),
        (thing(json!({ "provision_type": "comunal" })), 400, "invalid_json", "comunal"),
        (thing(json!({ "shared_app_name": "other" })), 400, "invalid_share", "shared_app_name"),
        (thing(json!({ "shared_experiment_name": "blue" })), 400, "invalid_share", "shared_experiment_name"),
        (thing(json!({ "parameters": { "size": 10 } })), 422, "invalid_parameters", "/size"),
        (thing(json!({ "parameters": { "sise": 3 } })), 422, "invalid_parameters", "sise"),
        (thing(json!({ "parameters": { "fail": "x".repeat(65_536) } })), 422, "invalid_parameters", "65536"),
        (thing(json!({ "parameters": [] })), 400, "invalid_json", "map"),
        (thing(json!({ "protected": "yes" })), 400, "invalid_json", "boolean"),
        (json!({ "provider": "thing" }), 400, "invalid_json", "service"),
    ];
    for (body, status, code, word) in cases {
        let detail = host.create(body.clone()).await.problem(status, code);
        assert!(detail.contains(word), "{body}: {detail}");
    }
    assert_eq!(host.addons().await, 0);
    assert_eq!(host.get("/v1/events").await.expect(200)["events"], json!([]));
}

#[tokio::test]
async fn an_app_that_is_not_there_gets_no_addon() {
    let host = TestHost::start().await;
    for (app, status, code) in [("nosuch", 404, "unknown_app"), ("No", 400, "invalid_name")] {
        let request = host.request(Method::POST, &format!("/v1/apps/{app}/addons"));
        host.json(request, &json!({ "service": "thing" })).await.problem(status, code);
    }
    let request = host.request(Method::POST, "/v1/apps/demo/addons?wait=5");
    host.json(request, &json!({ "service": "thing" })).await.problem(400, "invalid_query");
    assert_eq!((host.addons().await, host.apps().await), (0, json!(["demo"])));
}

#[tokio::test]
async fn a_name_and_a_variable_belong_to_one_addon() {
    let host = TestHost::start().await;
    let id = host.create(json!({ "service": "thing", "parameters": { "hang": true } })).await.id();
    host.create(json!({ "service": "thing" })).await.problem(409, "name_taken");
    let taken = host.create(json!({ "service": "thing", "name": "second" })).await.problem(409, "variable_taken");
    assert!(taken.contains("THING_URL") && taken.contains(&id), "{taken}");
    host.patch(json!({ "BLUE_THING_URL": "mine" })).await.expect(200);
    let own = json!({ "service": "thing", "name": "second", "attach_as": "blue" });
    let taken = host.create(own).await.problem(409, "variable_taken");
    assert!(taken.contains("BLUE_THING_URL"), "{taken}");
    assert_eq!(host.addons().await, 1);
}

#[tokio::test]
async fn null_is_as_good_as_nothing() {
    let host = TestHost::start().await;
    let body = json!({
        "service": "thing", "provider": null, "plan": null, "name": null, "provision_type": null, "attach_as": null,
        "parameters": null, "protected": null, "shared_app_name": null, "shared_experiment_name": null,
    });
    let addon = host.create(body).await.expect(202);
    assert_eq!(
        (&addon["plan"], &addon["parameters"], &addon["protected"]),
        (&json!("small"), &json!({}), &json!(false))
    );
}
