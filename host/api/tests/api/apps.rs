//! Apps: created, listed, counted, deleted.

use serde_json::json;

use crate::support::TestHost;

#[tokio::test]
async fn an_app_is_created_once() {
    let host = TestHost::builder().start().await;
    let created = host.put("/v1/apps/demo").await;
    assert_eq!(created.header("location"), "/v1/apps/demo");
    assert_eq!(created.expect(201), json!({ "name": "demo" }));
    assert_eq!(host.put("/v1/apps/demo").await.expect(200), json!({ "name": "demo" }));
    host.put("/v1/apps/demo.blue").await.expect(201);
    assert_eq!(host.get("/v1/apps/demo").await.expect(200), json!({ "name": "demo", "addons": 0, "addons_max": 1000 }));
    assert_eq!(host.apps().await, json!(["demo", "demo.blue"]));
}

#[tokio::test]
async fn a_text_that_is_no_name_is_refused() {
    let host = TestHost::builder().start().await;
    let long = "a".repeat(64);
    for name in ["No", "a%2Fb", "..%2F..", "-a", "a.b.c", "a_b", "%00", "%FF", "a%20b", &long] {
        host.put(&format!("/v1/apps/{name}")).await.problem(400, "invalid_name");
        host.get(&format!("/v1/apps/{name}/config")).await.problem(400, "invalid_name");
    }
    assert_eq!(host.apps().await, json!([]));
}

#[tokio::test]
async fn an_app_that_is_not_there_is_unknown() {
    let host = TestHost::builder().start().await;
    for path in ["", "/config", "/config?format=env", "/addons"] {
        host.get(&format!("/v1/apps/nosuch{path}")).await.problem(404, "unknown_app");
    }
    host.delete("/v1/apps/nosuch").await.problem(404, "unknown_app");
    host.delete("/v1/apps/nosuch?cascade=true").await.problem(404, "unknown_app");
}

#[tokio::test]
async fn apps_come_in_pages() {
    let host = TestHost::builder().start().await;
    for name in ["a", "b", "c"] {
        host.put(&format!("/v1/apps/{name}")).await.expect(201);
    }
    let page = |path: &'static str| async { host.get(path).await.expect(200) };
    let first = page("/v1/apps?limit=2").await;
    let app = |name| json!({ "name": name, "addons": 0, "addons_max": 1000 });
    assert_eq!(first, json!({ "apps": [app("a"), app("b")], "next": "b" }));
    let last = page("/v1/apps?limit=2&after=b").await;
    assert_eq!(last, json!({ "apps": [app("c")], "next": null }));
    assert_eq!(page("/v1/apps?limit=3").await["next"], json!(null));
    for query in ["limit=0", "limit=1001", "limit=many", "limit=-1", "after=NO", "offset=3", "limit=1&limit=2"] {
        host.get(&format!("/v1/apps?{query}")).await.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn an_app_with_addons_goes_only_with_them() {
    let host = TestHost::start().await;
    let id = host.create_and_wait(json!({ "service": "thing" })).await.id();
    assert_eq!(host.get("/v1/apps/demo").await.expect(200)["addons"], 1);
    assert_eq!(host.get("/v1/apps").await.expect(200)["apps"][0]["addons"], 1);
    host.delete("/v1/apps/demo").await.problem(409, "app_in_use");
    host.delete("/v1/apps/demo?cascade=yes").await.problem(400, "invalid_query");
    host.delete("/v1/apps/demo?cascde=true").await.problem(400, "invalid_query");
    assert_eq!(host.delete("/v1/apps/demo?cascade=true").await.expect(204), json!(null));
    assert_eq!(host.apps().await, json!([]));
    host.reaches(&id, "deprovisioned").await;
}

#[tokio::test]
async fn one_protected_addon_keeps_all_of_its_app() {
    let host = TestHost::start().await;
    let id = host.create_and_wait(json!({ "service": "thing", "name": "first" })).await.id();
    host.create_and_wait(json!({ "service": "thing", "name": "kept", "attach_as": "b", "protected": true }))
        .await
        .expect(201);
    host.delete("/v1/apps/demo?cascade=true").await.problem(409, "protected");
    assert_eq!(host.get(&format!("/v1/addons/{id}")).await.expect(200)["state"], "ready");
}
