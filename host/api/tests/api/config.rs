//! An app's variables: shown in each format, set, unset, refused.

use serde_json::json;

use crate::support::TestHost;

#[tokio::test]
async fn variables_are_set_and_unset_together() {
    let host = TestHost::start().await;
    let config = host.patch(json!({ "MODE": "fast", "EMPTY": "" })).await.expect(200);
    let details = json!([
        { "name": "EMPTY", "value": "", "secret": true, "addon": null },
        { "name": "MODE", "value": "fast", "secret": true, "addon": null },
    ]);
    assert_eq!(config["variables"], json!({ "EMPTY": "", "MODE": "fast" }));
    assert_eq!(names_values_addons(&config["details"]), names_values_addons(&details));
    assert_eq!(host.get("/v1/apps/demo/config").await.expect(200), config);
    let config = host.patch(json!({ "EMPTY": null, "MODE": "slow", "NOSUCH": null })).await.expect(200);
    assert_eq!(config["variables"], json!({ "MODE": "slow" }));
}

/// Whether an app's own variables count as secret is not the API's to say.
fn names_values_addons(details: &serde_json::Value) -> Vec<serde_json::Value> {
    let of = |detail: &serde_json::Value| json!([detail["name"], detail["value"], detail["addon"]]);
    details.as_array().unwrap().iter().map(of).collect()
}

#[tokio::test]
async fn what_can_not_be_set_changes_nothing() {
    let host = TestHost::start().await;
    host.patch(json!({ "MODE": "fast" })).await.expect(200);
    let long = "x".repeat(32 * 1024 + 1);
    let cases = [
        (json!({ "MODE": "slow", "bad-name": "x" }), 400, "invalid_variable", "bad-name"),
        (json!({ "MODE": "slow", "": "x" }), 400, "invalid_variable", "variable"),
        (json!({ "MODE": "slow", "LD_PRELOAD": "x" }), 400, "invalid_variable", "LD_PRELOAD"),
        (json!({ "MODE": "slow", "LARDER_URL": "x" }), 400, "invalid_variable", "LARDER_URL"),
        (json!({ "MODE": "slow", "Z": "a\u{0}b" }), 400, "invalid_variable", "Z"),
        (json!({ "MODE": "slow", "Z": long }), 400, "invalid_variable", "32769"),
        (json!({ "MODE": "slow", "Z": 5 }), 400, "invalid_json", "Z"),
        (json!({ "MODE": "slow", "Z": ["hunter2"] }), 400, "invalid_json", "Z"),
        (json!("hunter2"), 400, "invalid_json", "object"),
    ];
    for (body, status, code, word) in cases {
        let detail = host.patch(body).await.problem(status, code);
        assert!(detail.contains(word) && !detail.contains("hunter2"), "{detail}");
    }
    let many: serde_json::Map<_, _> = (0..513).map(|n| (format!("V{n}"), json!("x"))).collect();
    host.patch(many.into()).await.problem(422, "too_many_variables");
    let config = host.get("/v1/apps/demo/config").await.expect(200);
    assert_eq!(config["variables"], json!({ "MODE": "fast" }));
}

#[tokio::test]
async fn an_addons_variable_is_not_the_apps_own() {
    let host = TestHost::start().await;
    let id = host.create_and_wait(json!({ "service": "thing" })).await.id();
    let config = host.get("/v1/apps/demo/config").await.expect(200);
    let value = json!("thing://user:p'w d@thing");
    assert_eq!(config["variables"]["THING_URL"], value);
    let services: serde_json::Value =
        serde_json::from_str(config["variables"]["LARDER_SERVICES"].as_str().unwrap()).unwrap();
    let expected = json!({ "thing": { "provider": "thing", "service": "thing", "plan": "small", "credentials": { "uri": value } } });
    assert_eq!(services, expected);
    let details = config["details"].as_array().unwrap();
    assert_eq!(details[0]["name"], "LARDER_SERVICES");
    assert_eq!((&details[0]["secret"], &details[0]["addon"]), (&json!(true), &json!(null)));
    assert_eq!(details[1], json!({ "name": "THING_URL", "value": value, "secret": true, "addon": id }));
    host.patch(json!({ "MODE": "x", "THING_URL": "mine" })).await.problem(409, "variable_owned_by_addon");
    host.patch(json!({ "MODE": "x", "THING_URL": null })).await.problem(409, "variable_owned_by_addon");
    assert_eq!(host.get("/v1/apps/demo/config").await.expect(200), config);
}

#[tokio::test]
async fn each_format_is_written_for_its_reader() {
    let host = TestHost::start().await;
    host.create_and_wait(json!({ "service": "thing" })).await.expect(201);
    host.patch(json!({ "MODE": "fast" })).await.expect(200);
    let services = r#"{"thing":{"credentials":{"uri":"thing://user:p'w d@thing"},"plan":"small","provider":"thing","service":"thing"}}"#;
    let shell = services.replace('\'', r"'\''");
    let systemd = services.replace('"', "\\\"");
    let expected = [
        ("env", format!("LARDER_SERVICES='{shell}'\nMODE=fast\nTHING_URL='thing://user:p'\\''w d@thing'\n")),
        ("docker", format!("LARDER_SERVICES={services}\nMODE=fast\nTHING_URL=thing://user:p'w d@thing\n")),
        ("systemd", format!("LARDER_SERVICES=\"{systemd}\"\nMODE=fast\nTHING_URL=\"thing://user:p'w d@thing\"\n")),
    ];
    for (format, text) in expected {
        let answer = host.get(&format!("/v1/apps/demo/config?format={format}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; charset=utf-8"));
        assert_eq!(answer.text, text);
    }
    host.get("/v1/apps/demo/config?format=yaml").await.problem(400, "invalid_query");
}

#[tokio::test]
async fn docker_gets_no_line_breaks() {
    let host = TestHost::start().await;
    host.patch(json!({ "CERTIFICATE": "-----BEGIN\nhunter2\n", "MODE": "fast" })).await.expect(200);
    let detail = host.get("/v1/apps/demo/config?format=docker").await.problem(422, "unrepresentable_value");
    assert!(detail.contains("CERTIFICATE") && !detail.contains("hunter2"), "{detail}");
    let shell = host.get("/v1/apps/demo/config?format=env").await;
    assert_eq!(shell.text, "CERTIFICATE='-----BEGIN\nhunter2\n'\nMODE=fast\n");
}
