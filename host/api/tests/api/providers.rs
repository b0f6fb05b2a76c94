//! Providers: listed, rolled back, removed.

use serde_json::json;

use crate::support::{TestHost, manifest, manifest_of};

/// A digest that no version has.
const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[tokio::test]
async fn a_provider_is_shown_with_its_versions() {
    let mut asking = manifest();
    asking["requests"] =
        json!([{ "capability": "network", "value": "https://example.org", "required": false, "reason": "to ask" }]);
    let host = TestHost::builder().provider("thing", asking.clone()).start().await;
    let provider = host.get("/v1/providers/thing").await.expect(200);
    let version = &provider["versions"][0];
    let mut requests = asking["requests"].clone();
    requests[0]["granted"] = json!(false);
    let expected = json!({
        "digest": provider["active"], "state": "active", "check": null, "size_bytes": asking.to_string().len(),
        "uploaded_at": version["uploaded_at"], "version": "1.0", "description": "Scripted", "services": ["thing"],
        "exports": ["update", "rotation"],
        "requests": requests, "refusal": null,
    });
    assert_eq!(*version, expected);
    let expected = json!({
        "name": "thing", "component_kind": "provider", "state": "active", "active": provider["active"],
        "live_addons": 0, "grants": [], "limits": provider["limits"], "quotas": [], "versions": [version],
    });
    assert_eq!(provider, expected);
    let limit = json!({ "name": "cpu_ms", "value": 2000, "default": 2000, "min": 10, "max": 60_000 });
    assert_eq!(provider["limits"][1], limit);
    assert_eq!(host.get("/v1/providers").await.expect(200), json!({ "providers": [provider] }));
}

#[tokio::test]
async fn an_older_version_can_be_activated_again() {
    let host = TestHost::builder()
        .provider("thing", manifest())
        .provider("thing", manifest_of("other", json!(["OTHER"])))
        .start()
        .await;
    let provider = host.get("/v1/providers/thing").await.expect(200);
    let (newest, oldest) = (&provider["versions"][0], &provider["versions"][1]);
    assert_eq!((&newest["state"], &oldest["state"]), (&json!("active"), &json!("inactive")));
    let path = |digest: &serde_json::Value| format!("/v1/providers/thing/versions/{}", digest.as_str().unwrap());
    let back = host.post(&format!("{}/activate", path(&oldest["digest"]))).await.expect(200);
    assert_eq!(back["active"], oldest["digest"]);
    assert_eq!(host.get(&path(&newest["digest"])).await.expect(200)["state"], "inactive");
    assert_eq!(host.get("/v1/catalog").await.expect(200)["services"][0]["name"], "thing");
}

#[tokio::test]
async fn a_version_that_can_not_serve_is_not_activated() {
    let host = TestHost::builder().provider("thing", manifest()).start().await;
    let refused = host.upload("thing", "no manifest").await.expect(200);
    let digest = refused["digest"].as_str().unwrap();
    let activate = |digest: &str| format!("/v1/providers/thing/versions/{digest}/activate");
    let detail = host.post(&activate(digest)).await.problem(409, "version_not_usable");
    assert!(detail.contains("refused"), "{detail}");
    host.post(&activate(NO_DIGEST)).await.problem(404, "unknown_version");
    host.post(&activate("abc")).await.problem(404, "unknown_version");
    let unknown = format!("/v1/providers/nosuch/versions/{digest}/activate");
    host.post(&unknown).await.problem(404, "unknown_provider");
    let provider = host.get("/v1/providers/thing").await.expect(200);
    assert_eq!((&provider["state"], &provider["versions"][0]["state"]), (&json!("active"), &json!("refused")));
}

#[tokio::test]
async fn what_there_is_not_is_unknown() {
    let host = TestHost::builder().provider("thing", manifest()).start().await;
    host.get("/v1/providers/nosuch").await.problem(404, "unknown_provider");
    host.get("/v1/providers/No").await.problem(400, "invalid_name");
    host.get(&format!("/v1/providers/thing/versions/{NO_DIGEST}")).await.problem(404, "unknown_version");
    host.get("/v1/providers/thing/versions/latest").await.problem(404, "unknown_version");
    host.delete("/v1/providers/nosuch").await.problem(404, "unknown_provider");
}

#[tokio::test]
async fn a_provider_in_use_goes_only_by_force() {
    let host = TestHost::start().await;
    let id = host.create(json!({ "service": "thing", "parameters": { "hang": true } })).await.id();
    host.delete("/v1/providers/thing").await.problem(409, "provider_in_use");
    host.delete("/v1/providers/thing?force=1").await.problem(400, "invalid_query");
    assert_eq!(host.get("/v1/providers/thing").await.expect(200)["live_addons"], 1);
    host.delete("/v1/providers/thing?force=true").await.expect(204);
    host.get("/v1/providers/thing").await.problem(404, "unknown_provider");
    assert_eq!(host.reaches(&id, "error").await["error"]["code"], "provider_gone");
}
