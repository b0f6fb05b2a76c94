//! What a provider may reach: asked for, waited for, granted, used, taken back.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::support::{Host, guest, guest_path};

/// What the guest `caller` can't do without.
const REQUIRED: &str = "tcp://127.0.0.1:9";

/// A server on loopback that greets whoever comes.
async fn greeter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"welcome").await;
        }
    });
    address
}

async fn grant(host: &Host, values: &[&str], etag: &str) -> crate::support::Answer {
    let grants: Vec<Value> = values.iter().map(|value| json!({ "capability": "network", "value": value })).collect();
    let request = host.request(Method::PUT, "/v1/providers/caller/grants").header("if-match", etag);
    crate::support::Answer::of(request.json(&json!({ "grants": grants }))).await
}

async fn etag(host: &Host) -> String {
    host.get("/v1/providers/caller").await.headers["etag"].to_str().unwrap().to_owned()
}

fn go(to: SocketAddr) -> Value {
    json!({ "service": "caller", "parameters": { "go": [{ "tcp": { "to": to.to_string() } }] } })
}

#[tokio::test]
async fn a_version_waits_until_what_it_requires_is_granted() {
    let host = Host::start(&[]).await;
    let version = host.upload("caller", guest("caller")).await.expect(200);
    assert_eq!(version["state"], "waiting_for_approval");
    assert_eq!(
        (&version["requests"][0]["value"], &version["requests"][0]["granted"]),
        (&json!(REQUIRED), &json!(false))
    );
    host.create(json!({ "service": "caller" })).await.problem(404, "unknown_service");
    let digest = version["digest"].as_str().unwrap();
    let activate = format!("/v1/providers/caller/versions/{digest}/activate");
    let detail = host.post(&activate, json!({})).await.problem(409, "version_not_usable");
    assert!(detail.contains(&format!("larder provider grant caller '{REQUIRED}'")), "{detail}");

    let etag = etag(&host).await;
    let granted = grant(&host, &[REQUIRED], &etag).await;
    assert_ne!(granted.headers["etag"].to_str().unwrap(), etag);
    let granted = granted.expect(200);
    assert_eq!((&granted["state"], &granted["grants"][0]["value"]), (&json!("active"), &json!(REQUIRED)));
    grant(&host, &[], &etag).await.problem(412, "revision_changed");
    host.put("/v1/providers/caller/grants", json!({ "grants": [] })).await.problem(428, "revision_needed");
    assert_eq!(host.create_and_wait(json!({ "service": "caller" })).await.expect(201)["state"], "ready");
}

#[tokio::test]
async fn what_is_granted_works_what_is_taken_back_does_not_and_both_survive_a_restart() {
    let (mut host, to) = (Host::start(&[]).await, greeter().await);
    host.upload("caller", guest("caller")).await.expect(200);
    let destination = format!("tcp://{to}");
    grant(&host, &[REQUIRED, &destination], &etag(&host).await).await.expect(200);
    host.stop();
    host.restart();
    let reached = host.create_and_wait(go(to)).await.id();
    assert!(host.history(&reached).await.iter().any(|entry| entry["message"] == "welcome"));

    grant(&host, &[REQUIRED], &etag(&host).await).await.expect(200);
    let refused =
        host.create_and_wait(json!({ "name": "other", "service": "caller", "parameters": go(to)["parameters"] }));
    let refused = refused.await;
    let id = refused.id();
    assert_eq!(refused.expect(200)["error"]["code"], "provider_failed");
    let denied: Vec<Value> = host.history(&id).await.into_iter().filter(|entry| entry["kind"] == "denied").collect();
    assert_eq!((denied.len(), &denied[0]["data"]["missing"]), (1, &json!(destination)));
    let message = denied[0]["message"].as_str().unwrap();
    assert!(message.contains(&format!("larder provider grant caller '{destination}'")), "{message}");
}

#[tokio::test]
async fn grants_that_can_not_be_read_are_refused() {
    let host = Host::start(&[]).await;
    host.upload("caller", guest("caller")).await.expect(200);
    for value in ["db:5432", "tcp://h", "https://*", "tcp://0x7f.1:80", "https://u@h", "tcp://10.0.0.1/8:1"] {
        let detail = grant(&host, &[value], &etag(&host).await).await.problem(422, "invalid_grant");
        assert!(detail.contains(value), "{detail}");
    }
    let many: Vec<String> = (1..=65).map(|port| format!("tcp://h:{port}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    grant(&host, &many, &etag(&host).await).await.problem(422, "too_many_grants");
    assert_eq!(host.get("/v1/providers/caller").await.expect(200)["grants"], json!([]));
}

#[tokio::test]
async fn an_operator_grants_and_revokes_by_command_line() {
    let host = Host::empty().await;
    let run = |args: &[&str]| {
        let (code, out, error) = host.cli(args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{error}");
        format!("{out}{error}")
    };
    let wasm = guest_path("caller");
    let uploaded = run(&["provider", "upload", wasm.to_str().unwrap()]);
    assert!(uploaded.contains(&format!("larder provider grant caller '{REQUIRED}'")), "{uploaded}");
    let shown = run(&["provider", "show", "caller"]);
    assert!(shown.contains("required") && shown.contains(&format!("grant caller '{REQUIRED}'")), "{shown}");
    let granted = run(&["provider", "grant", "caller", REQUIRED, "https://api.example.com:443"]);
    assert!(granted.contains("https://api.example.com,") && granted.contains("`active`"), "{granted}");
    assert!(granted.contains("does not ask for https://api.example.com:443"), "{granted}");
    assert!(run(&["provider", "grant", "caller", "--all"]).contains("http://127.0.0.0/8:1-65535"));
    let left = run(&["provider", "revoke", "caller", "https://API.example.com:443"]);
    assert!(!left.contains("api.example.com") && left.contains(REQUIRED), "{left}");
    let (code, _, error) = host.cli(&["provider", "revoke", "caller", "tcp://nobody:1"]);
    assert_eq!(code, 1);
    assert!(error.contains("no_such_grant"), "{error}");
}
