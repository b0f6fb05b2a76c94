//! How many addons there may be: said by operators, and told to whoever wants one too many.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestHost, manifest};

async fn put(host: &TestHost, path: &str, body: Value) -> Answer {
    host.json(host.request(Method::PUT, path), &body).await
}

/// Sets the quotas of the provider `thing`, whatever they are.
async fn set_quotas(host: &TestHost, quotas: Value) -> Answer {
    let etag = host.get("/v1/providers/thing").await.header("etag").to_owned();
    let request = host.request(Method::PUT, "/v1/providers/thing/quotas").header("if-match", etag);
    host.json(request, &json!({ "quotas": quotas })).await
}

fn asked(name: &str) -> Value {
    json!({ "service": "thing", "name": name, "attach_as": name })
}

async fn metrics(host: &TestHost) -> String {
    host.get("/metrics").await.text
}

#[tokio::test]
async fn one_addon_too_many_of_an_app_is_refused_with_limit_and_use() {
    let host = TestHost::builder().provider("thing", manifest()).app_addons_max(1).start().await;
    host.put("/v1/apps/demo").await.expect(201);
    let first = host.create_and_wait(asked("one")).await.id();
    let refused = host.create(asked("two")).await;
    let document = refused.body.clone();
    let detail = refused.problem(409, "quota_exceeded");
    assert_eq!(document["quota"], "app");
    assert_eq!((&document["app"], &document["limit"], &document["used"]), (&json!("demo"), &json!(1), &json!(1)));
    assert!(detail.contains("has 1 live addons, and 1 are allowed") && detail.contains("larder app quota demo"));

    let quota = json!({ "addons_max": null, "limit": 1, "used": 1 });
    assert_eq!(host.get("/v1/apps/demo/quota").await.expect(200), quota);
    let raised = put(&host, "/v1/apps/demo/quota", json!({ "addons_max": 2 })).await.expect(200);
    assert_eq!(raised, json!({ "addons_max": 2, "limit": 2, "used": 1 }));
    host.create(asked("two")).await.expect(202);
    put(&host, "/v1/apps/demo/quota", json!({ "addons_max": 0 })).await.expect(200);
    assert_eq!(host.get("/v1/apps/demo").await.expect(200), json!({ "name": "demo", "addons": 2, "addons_max": 0 }));

    // What is there can be changed above the quota, too.
    let patch = host.request(Method::PATCH, &format!("/v1/addons/{first}"));
    host.json(patch, &json!({ "protected": true })).await.expect(200);
    host.delete(&format!("/v1/addons/{first}?force=true")).await.expect(202);
    host.create(asked("three")).await.problem(409, "quota_exceeded");
    assert!(metrics(&host).await.contains("larder_quota_refusals_total{quota=\"app\"} 2"));

    // An experiment counts for itself.
    host.put("/v1/apps/demo.blue").await.expect(201);
    host.json(host.request(Method::POST, "/v1/apps/demo.blue/addons"), &asked("one")).await.expect(202);
}

#[tokio::test]
async fn what_is_no_quota_is_refused() {
    let host = TestHost::start().await;
    for body in [json!({}), json!({ "addons_max": -1 }), json!({ "addons_max": "many" }), json!({ "addons_max": 1.5 })]
    {
        put(&host, "/v1/apps/demo/quota", body).await.problem(400, "invalid_json");
    }
    put(&host, "/v1/apps/nosuch/quota", json!({ "addons_max": 1 })).await.problem(404, "unknown_app");
    host.get("/v1/apps/nosuch/quota").await.problem(404, "unknown_app");
    let detail = set_quotas(&host, json!({ "nosuch": 1 })).await.problem(404, "unknown_plan");
    assert!(detail.contains("has no plan nosuch; it has "), "{detail}");
    set_quotas(&host, json!({ "No": 1 })).await.problem(400, "invalid_name");
    let unmatched = put(&host, "/v1/providers/thing/quotas", json!({ "quotas": {} })).await;
    unmatched.problem(428, "revision_needed");
}

#[tokio::test]
async fn one_addon_too_many_of_a_plan_is_refused_with_limit_and_use() {
    let host = TestHost::start().await;
    let catalog = host.get("/v1/catalog").await.expect(200);
    let plan = catalog["services"][0]["plans"][0]["name"].as_str().unwrap().to_owned();
    let set = set_quotas(&host, json!({ plan.clone(): 1 })).await.expect(200);
    assert_eq!(set["quotas"], json!([{ "plan": plan, "limit": 1, "used": 0 }]));
    let id = host.create(asked("one")).await.id();
    let refused = host.create(asked("two")).await;
    let document = refused.body.clone();
    let detail = refused.problem(409, "quota_exceeded");
    assert_eq!(
        (&document["quota"], &document["provider"], &document["plan"]),
        (&json!("plan"), &json!("thing"), &json!(plan))
    );
    assert_eq!((&document["limit"], &document["used"]), (&json!(1), &json!(1)));
    assert!(detail.contains(&format!("larder provider quota thing {plan}=COUNT")), "{detail}");
    let metrics = metrics(&host).await;
    for line in ["larder_plan_addons{provider=\"thing\",plan=", "larder_plan_addons_max{provider=\"thing\",plan="] {
        assert!(metrics.contains(&format!("{line}\"{plan}\"}} 1")), "{metrics}");
    }
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.create(asked("two")).await.expect(202);
    assert_eq!(set_quotas(&host, json!({})).await.expect(200)["quotas"], json!([]));
    host.create(asked("three")).await.expect(202);
}
