//! Uploads: taken in, awaited, refused; and clients that mean no good.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::{StreamExt, stream};
use larder_api::UploadLimits;
use serde_json::json;

use crate::support::{Answer, TestHost, manifest};

type Chunk = Result<Bytes, std::io::Error>;

/// A body that gives these chunks and then falls silent.
fn silent_after(chunks: Vec<Chunk>) -> Body {
    Body::from_stream(stream::iter(chunks).chain(stream::pending()))
}

#[tokio::test]
async fn an_upload_becomes_a_version() {
    let host = TestHost::builder().start().await;
    let uploaded = host.upload("thing", &manifest().to_string()).await;
    let location = uploaded.header("location").to_owned();
    assert_eq!(uploaded.header("preference-applied"), "wait=30");
    let version = uploaded.expect(201);
    assert_eq!(location, format!("/v1/providers/thing/versions/{}", version["digest"].as_str().unwrap()));
    assert_eq!(host.get(&location).await.expect(200), version);
    let again = host.upload("thing", &manifest().to_string()).await;
    assert_eq!(again.header("location"), location);
    assert_eq!(again.expect(200), version);
}

#[tokio::test]
async fn an_upload_is_not_awaited_unasked() {
    let host = TestHost::builder().without_worker().start().await;
    let component = manifest().to_string();
    let send = |prefer: Option<&str>| {
        let mut request = host.upload_request("thing");
        if let Some(prefer) = prefer {
            request = request.header("prefer", prefer);
        }
        host.send(request, component.clone())
    };
    let version = send(None).await.expect(202);
    assert_eq!(
        (&version["state"], &version["version"], &version["services"]),
        (&json!("checking"), &json!(null), &json!([]))
    );
    assert_eq!(send(Some("wait=1")).await.expect(200)["state"], "checking");
    assert_eq!(host.get("/v1/providers/thing").await.expect(200)["active"], json!(null));
    let other = host.upload_request("other").header("prefer", "wait=1");
    assert_eq!(host.send(other, component.clone()).await.expect(202)["state"], "checking");
}

#[tokio::test]
async fn a_component_that_can_be_no_provider_is_refused() {
    let host = TestHost::builder().start().await;
    let detail = host.upload("x", "refuse me").await.problem(422, "core_module");
    assert_eq!(detail, "this is a core module");
    assert_eq!(host.get("/v1/providers").await.expect(200), json!({ "providers": [] }));
    let later = host.upload("x", "no manifest").await.expect(200);
    assert_eq!((&later["state"], &later["refusal"]["code"]), (&json!("refused"), &json!("invalid_manifest")));
    assert!(later["refusal"]["message"].as_str().unwrap().contains("describe"));
    assert_eq!(host.get("/v1/catalog").await.expect(200), json!({ "services": [] }));
}

#[tokio::test]
async fn an_upload_has_a_name_and_a_type() {
    let host = TestHost::builder().start().await;
    let post = |path: &str| host.request(Method::POST, path).header("content-type", "application/wasm");
    host.send(post("/v1/providers"), "x").await.problem(400, "invalid_query");
    host.send(post("/v1/providers?nam=x"), "x").await.problem(400, "invalid_query");
    host.send(post("/v1/providers?name="), "x").await.problem(400, "invalid_name");
    host.send(post("/v1/providers?name=..%2Fescape"), "x").await.problem(400, "invalid_name");
    host.send(post("/v1/providers?name=x").header("prefer", "wait=x"), "x").await.problem(400, "invalid_query");
    host.send(post("/v1/providers?name=x").header("content-encoding", "gzip"), "x")
        .await
        .problem(415, "unsupported_media_type");
    let text = host.request(Method::POST, "/v1/providers?name=x").header("content-type", "text/plain");
    let detail = host.send(text, "x").await.problem(415, "unsupported_media_type");
    assert!(detail.contains("application/wasm"), "{detail}");
    assert_eq!(host.get("/v1/providers").await.expect(200), json!({ "providers": [] }));
}

#[tokio::test]
async fn an_upload_that_is_too_long_is_refused_as_soon_as_that_is_known() {
    let limits = UploadLimits { bytes_max: 1000, ..UploadLimits::default() };
    let host = TestHost::builder().uploads(limits).start().await;
    let announced = host.upload_request("x").header("content-length", 1001);
    let detail = host.send(announced, silent_after(vec![])).await.problem(413, "body_too_large");
    assert!(detail.contains("1000"), "{detail}");
    let chunk = || Ok(Bytes::from(vec![b'x'; 400]));
    host.send(host.upload_request("x"), silent_after(vec![chunk(), chunk(), chunk()]))
        .await
        .problem(413, "body_too_large");
    let lie = host.upload_request("x").header("content-length", 10);
    host.send(lie, silent_after(vec![chunk(), chunk(), chunk()])).await.problem(413, "body_too_large");
    host.upload("x", &"x".repeat(1000)).await.expect(200);
}

#[tokio::test]
async fn a_client_that_is_still_sending_gets_to_read_its_refusal() {
    let host = TestHost::builder().start().await;
    let taken = Arc::new(AtomicUsize::new(0));
    let body = || {
        let taken = Arc::clone(&taken);
        let chunks = (0..100).map(move |_| {
            taken.fetch_add(1, Ordering::SeqCst);
            Chunk::Ok(Bytes::from(vec![b'x'; 1000]))
        });
        Body::from_stream(stream::iter(chunks))
    };
    host.send(host.upload_request("No"), body()).await.problem(400, "invalid_name");
    let wrong_type = host.request(Method::POST, "/v1/providers?name=x").header("content-type", "text/plain");
    host.send(wrong_type, body()).await.problem(415, "unsupported_media_type");
    assert_eq!(taken.swap(0, Ordering::SeqCst), 200);
    let waits_to_be_told = host.upload_request("No").header("expect", "100-continue");
    host.send(waits_to_be_told, body()).await.problem(400, "invalid_name");
    assert_eq!(taken.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_upload_that_drips_or_breaks_off_is_given_up() {
    let limits = UploadLimits {
        chunk_wait: Duration::from_millis(300),
        whole_wait: Duration::from_millis(900),
        ..UploadLimits::default()
    };
    let host = TestHost::builder().uploads(limits).start().await;
    let silent = host.send(host.upload_request("x"), silent_after(vec![Ok(Bytes::from_static(b"x"))])).await;
    assert!(silent.problem(408, "request_timeout").contains("300 ms"));
    let drips = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((Chunk::Ok(Bytes::from_static(b"x")), ()))
    });
    let dripping = host.send(host.upload_request("x"), Body::from_stream(drips)).await;
    assert!(dripping.problem(408, "request_timeout").contains("900 ms"));
    let broken = silent_after(vec![Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("gone"))]);
    host.send(host.upload_request("x"), broken).await.problem(400, "incomplete_body");
    assert_eq!(host.get("/v1/providers").await.expect(200), json!({ "providers": [] }));
}

#[tokio::test]
async fn only_so_many_uploads_are_received_at_once() {
    let limits = UploadLimits {
        at_once_max: 1,
        waiting_max: 1,
        turn_wait: Duration::from_millis(300),
        ..UploadLimits::default()
    };
    let host = TestHost::builder().uploads(limits).start().await;
    {
        let silent = || host.open(host.upload_request("x").body(silent_after(vec![])).unwrap());
        let (mut first, mut second) = (pin!(silent()), pin!(silent()));
        // Polled in this order, so each finds the places that the one before has left.
        tokio::select! {
            biased;
            _ = &mut first => panic!("the silent upload came to an end"),
            _ = &mut second => panic!("the second upload did not wait for its turn"),
            third = host.upload("x", "x") => third.problem(429, "overloaded"),
        };
        tokio::select! {
            biased;
            _ = &mut first => panic!("the silent upload came to an end"),
            second = &mut second => Answer::of(second).await.problem(429, "overloaded"),
        };
    }
    host.upload("x", "x").await.expect(200);
}
