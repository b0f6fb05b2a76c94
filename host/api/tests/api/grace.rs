//! Deleted addons that can be had back.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestHost, manifest};

const DAY: Duration = Duration::from_secs(86_400);

/// A host with the provider `thing` and the app `demo`, on which deleted addons are kept for a day.
async fn host() -> TestHost {
    let host = TestHost::builder().provider("thing", manifest()).delete_grace(DAY).start().await;
    host.put("/v1/apps/demo").await.expect(201);
    host
}

async fn undelete(host: &TestHost, id: &str) -> Answer {
    let request = host.request(Method::POST, &format!("/v1/addons/{id}/undelete"));
    host.send(request.header("prefer", "wait=30"), ()).await
}

async fn variables(host: &TestHost) -> Value {
    host.get("/v1/apps/demo/config").await.expect(200)["variables"].clone()
}

async fn kept(host: &TestHost, path: &str) -> Vec<Value> {
    let listed = host.get(path).await.expect(200);
    listed["addons"].as_array().unwrap().iter().map(|addon| addon["id"].clone()).collect()
}

#[tokio::test]
async fn a_deleted_addon_is_shown_with_its_time_and_had_back() {
    let host = host().await;
    let id = host.create_and_wait(json!({ "service": "thing" })).await.id();
    let before = variables(&host).await;
    let deleted = host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    assert_eq!((&deleted["state"], &deleted["cleanup"]["state"]), (&json!("deprovisioned"), &json!("pending")));
    let until = deleted["kept_until"].as_str().unwrap();
    assert!(until > deleted["created_at"].as_str().unwrap() && deleted["message"].as_str().unwrap().ends_with(until));
    assert_eq!(variables(&host).await, json!({}));
    assert_eq!(host.get("/v1/addons").await.expect(200)["addons"], json!([]));
    for path in ["/v1/addons?kept=true", "/v1/apps/demo/addons?kept=true&state=deprovisioned"] {
        assert_eq!(kept(&host, path).await, [json!(id)]);
    }
    assert_eq!(kept(&host, "/v1/addons?kept=true&provider=other").await, [Value::Null; 0]);
    let events = host.get(&format!("/v1/addons/{id}/events")).await.expect(200);
    let told = events["events"].as_array().unwrap().iter().find(|event| event["kind"] == "deprovisioned").unwrap();
    assert_eq!(told["data"]["kept_until"], deleted["kept_until"]);

    let back = undelete(&host, &id).await;
    assert_eq!(back.header("preference-applied"), "wait=30");
    let back = back.expect(200);
    assert_eq!((&back["state"], &back["kept_until"]), (&json!("ready"), &json!(null)));
    assert_eq!(variables(&host).await, before);
    assert_eq!(kept(&host, "/v1/addons?kept=true").await, [Value::Null; 0]);
    undelete(&host, &id).await.problem(409, "not_in_grace");
}

#[tokio::test]
async fn what_is_in_the_way_has_its_code() {
    let host = host().await;
    let id = host.create_and_wait(json!({ "service": "thing" })).await.id();
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    let namesake = host.create(json!({ "service": "thing", "attach_as": "b" })).await.id();
    assert!(undelete(&host, &id).await.problem(409, "name_taken").contains(&namesake));
    host.delete(&format!("/v1/addons/{namesake}?now=true")).await.expect(202);
    host.patch(json!({ "THING_URL": "mine" })).await.expect(200);
    assert!(undelete(&host, &id).await.problem(409, "variable_taken").contains("THING_URL"));
    host.patch(json!({ "THING_URL": null })).await.expect(200);

    // What belongs to an app that is gone waits for it.
    host.delete("/v1/apps/demo").await.expect(204);
    undelete(&host, &id).await.problem(404, "unknown_app");
    host.put("/v1/apps/demo").await.expect(201);
    undelete(&host, &id).await.expect(200);

    host.delete("/v1/apps/demo?cascade=true").await.expect(204);
    assert_eq!(kept(&host, "/v1/addons?kept=true").await, [json!(id)], "a cascade keeps what a deletion keeps");
    for missing in ["018f0000-0000-7000-8000-000000000000", "not-an-id"] {
        undelete(&host, missing).await.problem(404, "unknown_addon");
    }
    for query in ["now=yes", "later=true"] {
        host.delete(&format!("/v1/addons/{id}?{query}")).await.problem(400, "invalid_query");
    }
    host.get("/v1/addons?kept=maybe").await.problem(400, "invalid_query");
    let request = host.request(Method::POST, &format!("/v1/addons/{id}/undelete"));
    host.json(request, &json!({ "now": true })).await.problem(400, "unknown_field");
}

#[tokio::test]
async fn a_deletion_at_once_has_no_grace_also_afterwards() {
    let host = host().await;
    let make = async |name: &str| {
        host.create_and_wait(json!({ "service": "thing", "name": name, "attach_as": name })).await.id()
    };
    let (one, other) = (make("a").await, make("b").await);
    let gone = host.delete(&format!("/v1/addons/{one}?now=true")).await.expect(202);
    assert_eq!(gone["kept_until"], json!(null));
    undelete(&host, &one).await.problem(409, "not_in_grace");
    let kept_until = host.delete(&format!("/v1/addons/{other}")).await.expect(202)["kept_until"].clone();
    assert!(kept_until.is_string());
    let gone = host.delete(&format!("/v1/addons/{other}?now=true")).await.expect(202);
    assert_eq!(gone["kept_until"], json!(null));
    undelete(&host, &other).await.problem(409, "not_in_grace");
    assert_eq!(kept(&host, "/v1/addons?kept=true").await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_server_is_in_use_as_long_as_a_part_of_it_can_be_had_back() {
    let host = host().await;
    let part = host.create_and_wait(json!({ "service": "thing", "provision_type": "communal" })).await;
    let (id, server) = (part.id(), part.expect(201)["parent"].as_str().unwrap().to_owned());
    let server = format!("/v1/addons/{server}");
    host.delete(&format!("{server}?force=true")).await.problem(409, "addon_in_use");
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    let detail = host.delete(&server).await.problem(409, "addon_in_use");
    assert!(detail.contains(&id) && detail.contains("can be had back"), "{detail}");
    let gone = host.delete(&format!("{server}?force=true")).await.expect(202);
    assert_eq!((&gone["state"], &gone["kept_until"]), (&json!("deprovisioned"), &json!(null)), "it has no grace");
    assert_eq!(host.get(&format!("/v1/addons/{id}")).await.expect(200)["kept_until"], json!(null));
    undelete(&host, &id).await.problem(409, "not_in_grace");
}
