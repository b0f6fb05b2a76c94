//! Bodies that are none, whatever route they go to.

use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::stream;
use serde_json::json;

use crate::support::TestHost;

const JSON: &str = "application/json";

#[tokio::test]
async fn a_body_has_its_media_type_and_is_not_compressed() {
    let host = TestHost::start().await;
    let create = || host.request(Method::POST, "/v1/apps/demo/addons");
    let body = r#"{ "service": "thing" }"#;
    host.send(create(), body).await.problem(415, "unsupported_media_type");
    let form = create().header("content-type", "application/x-www-form-urlencoded");
    let detail = host.send(form, body).await.problem(415, "unsupported_media_type");
    assert!(detail.contains("x-www-form-urlencoded") && detail.contains(JSON), "{detail}");
    let compressed = create().header("content-type", JSON).header("content-encoding", "gzip");
    host.send(compressed, body).await.problem(415, "unsupported_media_type");
    assert_eq!(host.addons().await, 0);
    host.send(create().header("content-type", "application/json; charset=utf-8"), body).await.expect(202);
}

#[tokio::test]
async fn a_body_is_one_json_object() {
    let host = TestHost::start().await;
    let bodies: [&[u8]; 12] = [
        b"",
        b"hello",
        b"null",
        b"[]",
        br#"["thing", null, null, null, null, null, null, null, null, null]"#,
        br#"{ "service":"#,
        br#"{ "service": "thing" } {}"#,
        br#"{ "service": "thing", "service": "thing" }"#,
        br#"{ "service": 5 }"#,
        b"{}",
        b"{ \"service\": \"\xff\" }",
        &[b"{ \"service\": \"thing\", \"parameters\": { \"a\": ".to_vec(), [b'['; 4000].to_vec()].concat(),
    ];
    for body in bodies {
        let request = host.request(Method::POST, "/v1/apps/demo/addons").header("content-type", JSON);
        host.send(request, body.to_vec()).await.problem(400, "invalid_json");
    }
    assert_eq!(host.addons().await, 0);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_read() {
    let host = TestHost::start().await;
    let create = || host.request(Method::POST, "/v1/apps/demo/addons").header("content-type", JSON);
    let never_read = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let announced = create().header("content-length", 1024 * 1024 + 1);
    let detail = host.send(announced, never_read).await.problem(413, "body_too_large");
    assert!(detail.contains("1048576"), "{detail}");
    let endless = Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 16]))));
    host.send(create(), endless).await.problem(413, "body_too_large");
    host.send(create().header("content-length", "a lot"), "{}").await.problem(413, "body_too_large");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_taken() {
    let host = TestHost::start().await;
    let chunks =
        [Ok(Bytes::from_static(b"{ \"service\": \"thing\" }")), Err(std::io::Error::other("the line went dead"))];
    let request = host.request(Method::POST, "/v1/apps/demo/addons").header("content-type", JSON);
    host.send(request, Body::from_stream(stream::iter(chunks))).await.problem(400, "incomplete_body");
    assert_eq!(host.addons().await, 0);
}

#[tokio::test]
async fn routes_that_take_no_body_take_an_empty_object() {
    let host = TestHost::builder().start().await;
    let put = || host.request(Method::PUT, "/v1/apps/demo");
    host.json(put(), &json!({ "colour": "blue" })).await.problem(400, "unknown_field");
    host.json(put(), &json!([])).await.problem(400, "invalid_json");
    host.send(put(), "{}").await.problem(415, "unsupported_media_type");
    assert_eq!(host.apps().await, json!([]));
    host.json(put(), &json!({})).await.expect(201);
}
