//! What can be provisioned now.

use serde_json::json;

use crate::support::{TestHost, manifest, manifest_of};

#[tokio::test]
async fn the_catalog_tells_what_each_active_version_offers() {
    let empty = TestHost::builder().start().await;
    assert_eq!(empty.get("/v1/catalog").await.expect(200), json!({ "services": [] }));

    let host =
        TestHost::builder().provider("b", manifest()).provider("a", manifest_of("wild", json!("any"))).start().await;
    let services = host.get("/v1/catalog").await.expect(200)["services"].clone();
    assert_eq!((&services[0]["name"], &services[0]["variables"]), (&json!("wild"), &json!("any")));
    let digest = host.get("/v1/providers/b").await.expect(200)["active"].clone();
    let plans = &services[1]["plans"];
    let expected = json!({
        "name": "thing", "description": "A thing", "tags": ["test"], "bindable": true,
        "provision_types": ["independent", "communal"], "variables": ["THING_URL"],
        "provider": "b", "provider_version": "1.0", "digest": digest, "exports": ["update", "rotation"], "plans": plans,
    });
    assert_eq!(services[1], expected);
    assert_eq!(plans[0]["parameters"]["properties"]["size"]["maximum"], 9);
    let large = json!({
        "name": "large", "description": "Large", "free": false, "provision_deadline_s": 60,
        "parameters": { "type": "object", "additionalProperties": false },
    });
    assert_eq!(plans[1], large);
}
