//! Everything wrong that can be sent: each has its code and a sentence, stores nothing, and the host goes on.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Host, guest};

/// That nothing was stored and the host still works.
async fn unharmed(host: &Host, addons: usize) {
    let listed = host.get("/v1/addons?limit=1000").await.expect(200);
    assert_eq!(listed["addons"].as_array().unwrap().len(), addons, "{listed}");
    host.get("/readyz").await.expect(200);
}

#[tokio::test]
async fn uploads_that_are_no_provider() {
    let host = Host::start(&[]).await;
    let component = guest("secret");
    let core_module = b"\0asm\x01\0\0\0".to_vec();
    let cases: Vec<(&str, Vec<u8>, &str, u16)> = vec![
        ("text", b"#!/bin/sh\necho hello\n".to_vec(), "not_wasm", 422),
        ("empty", vec![], "not_wasm", 422),
        ("core", core_module, "core_module", 422),
        ("cut", component[..component.len() / 2].to_vec(), "invalid_component", 422),
        ("command", guest("command"), "wrong_world", 422),
        ("import", guest("unknown-import"), "unknown_import", 422),
    ];
    for (name, wasm, code, status) in cases {
        let detail = host.upload(name, wasm).await.problem(status, code);
        assert!(detail.len() > 20, "{name}: {detail}");
    }
    assert_eq!(host.get("/v1/providers").await.expect(200)["providers"], json!([]));
    unharmed(&host, 0).await;
}

#[tokio::test]
async fn an_upload_that_declares_an_obeyed_variable_is_refused_after_its_check() {
    let host = Host::start(&[]).await;
    let version = host.upload("bad", guest("bad-manifest")).await.expect(200);
    assert_eq!((&version["state"], &version["refusal"]["code"]), (&json!("refused"), &json!("invalid_manifest")));
    assert!(version["refusal"]["message"].as_str().unwrap().contains("LD_PRELOAD"), "{version}");
    assert_eq!(host.get("/v1/catalog").await.expect(200)["services"], json!([]));
}

#[tokio::test]
async fn uploads_with_a_bad_name_type_or_size() {
    let host = Host::start(&[]).await;
    host.upload("..%2Fescape", guest("secret")).await.problem(400, "invalid_name");
    let wrong_type = host.request(Method::POST, "/v1/providers?name=x").header("content-type", "text/plain").body("x");
    Answer::of(wrong_type).await.problem(415, "unsupported_media_type");
    // A gibibyte is announced; the host refuses before reading it.
    let huge = host
        .request(Method::POST, "/v1/providers?name=x")
        .header("content-type", "application/wasm")
        .header("content-length", 1_u64 << 30)
        .body(vec![0; 1024]);
    if let Ok(answer) = huge.send().await {
        assert_eq!(answer.status(), 413);
    }
    let endless = futures_util::stream::iter((0..1024).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 1 << 20])));
    let chunked = host
        .request(Method::POST, "/v1/providers?name=x")
        .header("content-type", "application/wasm")
        .body(reqwest::Body::wrap_stream(endless));
    if let Ok(answer) = chunked.send().await {
        assert_eq!(answer.status(), 413);
    }
    unharmed(&host, 0).await;
}

#[tokio::test]
async fn creations_that_can_not_be() {
    let host = Host::start(&["secret", "second-secret", "parameters", "chameleon"]).await;
    let secret = |more: Value| {
        let mut body = json!({ "service": "secret", "provider": "secret" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let cases = [
        (json!({ "service": "nosuch" }), 404, "unknown_service", "nosuch"),
        (json!({ "service": "secret" }), 409, "ambiguous_service", "second-secret"),
        (secret(json!({ "provider": "nosuch" })), 404, "unknown_provider", "nosuch"),
        (secret(json!({ "plan": "gold" })), 404, "unknown_plan", "default"),
        (secret(json!({ "name": "../x" })), 400, "invalid_name", "../x"),
        (secret(json!({ "attach_as": "bad-name" })), 400, "invalid_attach_as", "bad-name"),
        (secret(json!({ "attach_as": "" })), 400, "invalid_attach_as", "attach_as"),
        (secret(json!({ "plam": "default" })), 400, "unknown_field", "plam"),
        (secret(json!({ "parameters": { "size": 3 } })), 422, "invalid_parameters", "size"),
        (secret(json!({ "provision_type": "communal" })), 422, "provision_type_not_offered", "independent"),
        (secret(json!({ "provision_type": "comunal" })), 400, "invalid_json", "comunal"),
        (json!({ "service": "parameters", "parameters": { "A": true } }), 422, "invalid_parameters", "/A"),
        (json!({ "service": "parameters", "parameters": { "A": ["x"] } }), 422, "invalid_parameters", "/A"),
        (json!([]), 400, "invalid_json", ""),
    ];
    for (body, status, code, word) in cases {
        let detail = host.create(body.clone()).await.problem(status, code);
        assert!(detail.contains(word), "{body}: {detail}");
    }
    let unknown_app = host.post("/v1/apps/nosuch/addons", secret(json!({}))).await;
    unknown_app.problem(404, "unknown_app");
    unharmed(&host, 0).await;
}

#[tokio::test]
async fn a_variable_and_a_name_belong_to_one_addon() {
    let host = Host::start(&["secret", "parameters"]).await;
    let id = host.create_and_wait(json!({ "service": "secret" })).await.id();
    host.create(json!({ "service": "secret" })).await.problem(409, "name_taken");
    let taken = host.create(json!({ "service": "secret", "name": "second" })).await.problem(409, "variable_taken");
    assert!(taken.contains("SECRET_KEY") && taken.contains(&id), "{taken}");
    host.patch("/v1/apps/demo/config", json!({ "SECRET_KEY": "mine" })).await.problem(409, "variable_owned_by_addon");
    let late =
        host.create_and_wait(json!({ "service": "parameters", "parameters": { "SECRET_KEY": "x" } })).await.expect(200);
    assert_eq!((&late["state"], &late["error"]["code"]), (&json!("error"), &json!("variable_taken")));
    unharmed(&host, 1).await;
}

#[tokio::test]
async fn requests_that_are_no_requests() {
    let host = Host::start(&[]).await;
    let plain = reqwest::Client::new();
    let url = |path: &str| format!("{}{path}", host.url());
    Answer::of(plain.get(url("/v1/apps"))).await.problem(401, "unauthorized");
    Answer::of(plain.get(url("/v1/apps")).bearer_auth("wrong")).await.problem(401, "unauthorized");
    Answer::of(host.request(Method::POST, "/v1/apps/demo/addons").body("{}"))
        .await
        .problem(415, "unsupported_media_type");
    let broken = host
        .request(Method::POST, "/v1/apps/demo/addons")
        .header("content-type", "application/json")
        .body("{\"service\":");
    Answer::of(broken).await.problem(400, "invalid_json");
    host.get("/v1/nosuch").await.problem(404, "not_found");
    host.delete("/v1/catalog").await.problem(405, "method_not_allowed");
    host.get("/v1/apps/No%2FSuch").await.problem(400, "invalid_name");
    host.get("/v1/apps/nosuch/addons").await.problem(404, "unknown_app");
    host.get("/v1/addons/not-an-id").await.problem(404, "unknown_addon");
    host.get("/v1/addons/018f0000-0000-7000-8000-000000000000").await.problem(404, "unknown_addon");
    host.delete("/v1/addons/018f0000-0000-7000-8000-000000000000").await.problem(404, "unknown_addon");
    Answer::of(host.request(Method::GET, "/v1/apps").header("host", "evil.example")).await.problem(403, "forbidden");
    unharmed(&host, 0).await;
}

#[tokio::test]
async fn a_request_that_comes_again_is_recognised() {
    let host = Host::start(&["secret"]).await;
    let send = |body: Value| {
        let request = host.request(Method::POST, "/v1/apps/demo/addons").header("idempotency-key", "k1").json(&body);
        Answer::of(request)
    };
    let first = send(json!({ "service": "secret" })).await.id();
    assert_eq!(send(json!({ "service": "secret" })).await.id(), first);
    send(json!({ "service": "secret", "name": "other" })).await.problem(422, "idempotency_mismatch");
    unharmed(&host, 1).await;
}
