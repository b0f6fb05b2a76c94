//! Addons: asked for, awaited, listed, deleted; and everything that can't be asked for.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestHost, manifest, manifest_of};

mod refused;

#[tokio::test]
async fn creating_answers_at_once() {
    let host = TestHost::start().await;
    let body = json!({ "service": "thing", "attach_as": "blue", "protected": true, "parameters": { "hang": true } });
    let created = host.create(body).await;
    let id = created.id();
    assert_eq!(created.header("location"), format!("/v1/addons/{id}"));
    assert_eq!(created.header("preference-applied"), "");
    let addon = created.expect(202);
    let expected = json!({
        "id": id, "component_kind": "provider", "app": "demo", "name": "thing", "provider": "thing", "service": "thing",
        "plan": "small", "provision_type": "independent", "role": "user", "parent": null, "engine": null, "attach_as": "BLUE", "protected": true,
        "parameters": { "hang": true }, "state": "waiting_for_provision", "message": "", "percent": null, "error": null,
        "health": { "state": "unknown", "reason": null }, "generation": 0, "operation": null,
        "cleanup": { "state": "none" }, "attempts": 0, "delete_wanted": false, "kept_until": null,
        "created_at": addon["created_at"], "updated_at": addon["updated_at"],
    });
    assert_eq!(addon, expected);
    let created_at = addon["created_at"].as_str().unwrap();
    assert!(created_at.len() == 24 && created_at.starts_with("20") && created_at.ends_with('Z'), "{created_at}");
}

#[tokio::test]
async fn the_status_tells_how_a_wait_ended() {
    let host = TestHost::start().await;
    let wait = |seconds: &'static str, body: Value| {
        let request = host.request(Method::POST, "/v1/apps/demo/addons").header("prefer", seconds);
        let host = &host;
        async move { host.json(request, &body).await }
    };
    let ready = wait("wait=30", json!({ "service": "thing" })).await;
    assert_eq!(ready.header("preference-applied"), "wait=30");
    assert_eq!(ready.expect(201)["state"], "ready");
    let hanging = json!({ "service": "thing", "name": "b", "attach_as": "b", "parameters": { "hang": true } });
    let waiting = wait("respond-async, wait=1", hanging).await;
    assert_eq!(waiting.header("preference-applied"), "wait=1");
    let waiting = waiting.expect(202);
    assert_eq!((&waiting["message"], &waiting["percent"]), (&json!("half way"), &json!(50)));
    let failing = json!({ "service": "thing", "name": "c", "attach_as": "c", "parameters": { "fail": "no room" } });
    let failed = wait("wait=4711", failing).await;
    assert_eq!(failed.header("preference-applied"), "wait=60");
    let failed = failed.expect(200);
    assert_eq!(failed["state"], "error");
    assert_eq!(failed["error"], json!({ "code": "provider_failed", "reason": "no room" }));
}

#[tokio::test]
async fn an_addon_can_be_awaited_afterwards() {
    let host = TestHost::start().await;
    let id = host.create(json!({ "service": "thing" })).await.id();
    let path = format!("/v1/addons/{id}");
    let answer = host.send(host.request(Method::GET, &path).header("prefer", "wait=30"), ()).await;
    assert_eq!(answer.header("preference-applied"), "wait=30");
    let ready = answer.expect(200);
    assert_eq!((&ready["state"], &host.get(&path).await.expect(200)), (&json!("ready"), &ready));
    host.send(host.request(Method::GET, &path).header("prefer", "wait=soon"), ()).await.problem(400, "invalid_query");
}

#[tokio::test]
async fn an_addons_configuration_is_there_once_it_is_made() {
    let host = TestHost::start().await;
    let hanging = host.create(json!({ "service": "thing", "parameters": { "hang": true } })).await.id();
    let config = |id: String| {
        let host = &host;
        async move { host.get(&format!("/v1/addons/{id}/config")).await.expect(200) }
    };
    assert_eq!(config(hanging).await, json!({ "variables": [], "credentials": [], "places": [] }));
    let ready = host.create_and_wait(json!({ "service": "thing", "name": "b", "attach_as": "b" })).await.id();
    let value = "thing://user:p'w d@b";
    let expected = json!({
        "variables": [{ "name": "B_THING_URL", "value": value, "secret": true }],
        "credentials": [{ "key": "uri", "value": value, "secret": true }],
        "places": [],
    });
    assert_eq!(config(ready).await, expected);
}

#[tokio::test]
async fn a_request_that_comes_again_makes_nothing_new() {
    let host = TestHost::start().await;
    host.put("/v1/apps/other").await.expect(201);
    let send = |app: &str, key: &str, body: Value| {
        let request = host.request(Method::POST, &format!("/v1/apps/{app}/addons")).header("idempotency-key", key);
        let host = &host;
        async move { host.json(request, &body).await }
    };
    let first = send("demo", "k1", json!({ "service": "thing" })).await.id();
    let again = send("demo", "k1", json!({ "service": "thing" })).await;
    assert_eq!((again.status, again.id()), (202, first.clone()));
    let changed = json!({ "service": "thing", "name": "b", "attach_as": "b" });
    send("demo", "k1", changed).await.problem(422, "idempotency_mismatch");
    assert_ne!(send("other", "k1", json!({ "service": "thing" })).await.id(), first);
    for key in ["", "two words", &"k".repeat(256)] {
        send("demo", key, json!({ "service": "thing" })).await.problem(400, "invalid_query");
    }
    assert_eq!(host.addons().await, 2);
}

#[tokio::test]
async fn deleting_answers_at_once_and_as_often_as_wanted() {
    let host = TestHost::start().await;
    let id = host.create_and_wait(json!({ "service": "thing" })).await.id();
    let path = format!("/v1/addons/{id}");
    for _ in 0..2 {
        let deleted = host.delete(&path).await.expect(202);
        assert_eq!((&deleted["state"], &deleted["delete_wanted"]), (&json!("deprovisioned"), &json!(true)));
    }
    let protected = host.create_and_wait(json!({ "service": "thing", "protected": true })).await.id();
    host.delete(&format!("/v1/addons/{protected}")).await.problem(409, "protected");
    host.delete(&format!("/v1/addons/{protected}?force=yes")).await.problem(400, "invalid_query");
    assert_eq!(host.get(&format!("/v1/addons/{protected}")).await.expect(200)["state"], "ready");
    let forced = host.delete(&format!("/v1/addons/{protected}?force=true")).await.expect(202);
    assert_eq!(forced["state"], "deprovisioned");
}

#[tokio::test]
async fn an_addon_can_be_protected_and_unprotected() {
    let host = TestHost::start().await;
    let id = host.create_and_wait(json!({ "service": "thing" })).await.id();
    let path = format!("/v1/addons/{id}");
    let patch = async |body: Value| host.json(host.request(Method::PATCH, &path), &body).await;
    let protected = patch(json!({ "protected": true })).await.expect(200);
    assert_eq!((&protected["protected"], &host.get(&path).await.expect(200)), (&json!(true), &protected));
    for nothing in [json!({}), json!({ "protected": null })] {
        assert_eq!(patch(nothing).await.expect(200), protected, "what is left out stays");
    }
    host.delete(&path).await.problem(409, "protected");
    host.delete("/v1/apps/demo?cascade=true").await.problem(409, "protected");
    let audit = host.get("/v1/audit?limit=1").await.expect(200)["entries"][0].clone();
    assert_eq!((&audit["action"], &audit["provider"]), (&json!("protected"), &json!("thing")));
    assert_eq!(audit["data"], json!({ "addon": id, "app": "demo" }));

    for (body, code, word) in [
        (json!({ "protected": "yes" }), "invalid_json", "boolean"),
        (json!({ "protected": false, "name": "b" }), "unknown_field", "`name`"),
        (json!({ "state": "ready" }), "unknown_field", "`protected`"),
    ] {
        let detail = patch(body).await.problem(400, code);
        assert!(detail.contains(word), "{detail}");
    }
    assert_eq!(host.get(&path).await.expect(200), protected, "nothing was changed");
    assert_eq!(patch(json!({ "protected": false })).await.expect(200)["protected"], false);
    host.delete(&path).await.expect(202);
    patch(json!({ "protected": true })).await.problem(409, "addon_over");
    let request = host.request(Method::PATCH, "/v1/addons/018f0000-0000-7000-8000-000000000000");
    host.json(request, &json!({ "protected": true })).await.problem(404, "unknown_addon");
}

#[tokio::test]
async fn an_addon_that_is_not_there_is_unknown() {
    let host = TestHost::start().await;
    for id in ["not-an-id", "018f0000-0000-7000-8000-000000000000", "%FF", "a%2Fb"] {
        let code = if id == "%FF" { (400, "invalid_name") } else { (404, "unknown_addon") };
        for rest in ["", "/config", "/events", "/logs"] {
            host.get(&format!("/v1/addons/{id}{rest}")).await.problem(code.0, code.1);
        }
        host.delete(&format!("/v1/addons/{id}")).await.problem(code.0, code.1);
    }
}

fn names(answer: Answer) -> (Vec<String>, Value) {
    let body = answer.expect(200);
    let names = body["addons"].as_array().unwrap().iter().map(|addon| addon["name"].as_str().unwrap().to_owned());
    (names.collect(), body["next"].clone())
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages() {
    let host = TestHost::builder()
        .provider("thing", manifest())
        .provider("other", manifest_of("other", json!(["OTHER"])))
        .start()
        .await;
    host.put("/v1/apps/demo").await.expect(201);
    host.put("/v1/apps/empty").await.expect(201);
    for name in ["a", "b", "c"] {
        host.create_and_wait(json!({ "service": "thing", "name": name, "attach_as": name })).await.expect(201);
    }
    host.create(json!({ "service": "thing", "name": "d", "attach_as": "d", "parameters": { "hang": true } }))
        .await
        .expect(202);
    let failed = json!({ "service": "thing", "name": "e", "attach_as": "e", "parameters": { "fail": "no" } });
    host.create_and_wait(failed).await.expect(200);

    let list = |query: &str| {
        let (path, host) = (format!("/v1/apps/demo/addons?{query}"), &host);
        async move { names(host.get(&path).await) }
    };
    assert_eq!(list("").await, (["a", "b", "c", "d"].map(String::from).to_vec(), json!(null)));
    assert_eq!(list("state=error").await.0, ["e"]);
    assert_eq!(list("state=error,waiting_for_provision").await.0, ["d", "e"]);
    let (first, next) = list("limit=3").await;
    assert_eq!(first, ["a", "b", "c"]);
    assert_eq!(list(&format!("limit=3&after={}", next.as_str().unwrap())).await, (vec!["d".into()], json!(null)));
    assert_eq!(names(host.get("/v1/addons").await).0.len(), 4);
    assert_eq!(names(host.get("/v1/addons?provider=other").await).0.len(), 0);
    assert_eq!(names(host.get("/v1/apps/empty/addons").await).0.len(), 0);
    for query in ["state=redy", "state=", "state=ready,", "after=x", "limit=0", "provider=NO", "app=demo"] {
        host.get(&format!("/v1/addons?{query}")).await.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn a_ready_addon_gets_another_plan_and_other_parameters() {
    let host = TestHost::start().await;
    let id = host.create_and_wait(json!({ "service": "thing", "parameters": { "size": 1 } })).await.id();
    let path = format!("/v1/addons/{id}");
    let patch =
        async |body: Value| host.json(host.request(Method::PATCH, &path).header("Prefer", "wait=30"), &body).await;
    let updated = patch(json!({ "parameters": { "size": 2 } })).await.expect(200);
    assert_eq!((&updated["state"], &updated["parameters"]), (&json!("ready"), &json!({ "size": 2 })));
    let operation = &updated["operation"];
    assert_eq!(
        (&operation["kind"], &operation["state"], &operation["error"]),
        (&json!("update"), &json!("succeeded"), &json!(null))
    );
    // The provider says no: it stays as it is.
    let refused = patch(json!({ "parameters": { "size": 7 } })).await.expect(200);
    assert_eq!((&refused["state"], &refused["parameters"]), (&json!("ready"), &json!({ "size": 2 })));
    assert_eq!(refused["operation"]["error"], json!({ "code": "provider_rejected", "reason": "7 is unlucky" }));
    // What it has is not asked for.
    let same = patch(json!({ "plan": "small", "parameters": { "size": 2 } })).await.expect(200);
    assert_eq!(same["operation"]["id"], refused["operation"]["id"]);
    patch(json!({ "parameters": { "size": 10 } })).await.problem(422, "invalid_parameters");
    patch(json!({ "plan": "huge" })).await.problem(404, "unknown_plan");
    patch(json!({ "parameters": 3 })).await.problem(400, "invalid_json");
    assert_eq!(patch(json!({ "plan": "large", "parameters": {} })).await.expect(200)["plan"], "large");
}

#[tokio::test]
async fn new_credentials_overlap_with_the_old_ones() {
    let host = TestHost::start().await;
    let id = host.create_and_wait(json!({ "service": "thing" })).await.id();
    let rotate = format!("/v1/addons/{id}/rotate");
    let post =
        async |body: Value| host.json(host.request(Method::POST, &rotate).header("Prefer", "wait=30"), &body).await;
    let rotating = post(json!({ "overlap_s": 3600 })).await.expect(200);
    assert_eq!((&rotating["operation"]["stage"], &rotating["generation"]), (&json!("overlap"), &json!(1)));
    post(json!({})).await.problem(409, "operation_in_progress");
    post(json!({ "overlap_s": 10_000_000 })).await.problem(422, "invalid_overlap");
    post(json!({ "overlap": 3 })).await.problem(400, "unknown_field");
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    post(json!({})).await.problem(409, "not_ready");
}
