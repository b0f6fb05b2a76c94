//! Who may call, by which names, and what every answer has.

use std::io;
use std::sync::{Arc, Mutex};

use axum::http::{Method, Request};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{HOST, TOKEN, TestHost};

#[tokio::test]
async fn health_needs_no_token_and_everything_else_does() {
    let host = TestHost::builder().start().await;
    let bare = |path: &str| Request::builder().uri(path).header("host", HOST);
    assert_eq!(host.send(bare("/healthz"), ()).await.expect(200), json!({ "status": "ok" }));
    assert_eq!(host.send(bare("/readyz"), ()).await.expect(200), json!({ "status": "ready" }));
    for path in ["/v1/apps", "/v1/events", "/v1/nosuch", "/"] {
        let answer = host.send(bare(path), ()).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        answer.problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn another_token_opens_nothing() {
    let host = TestHost::builder().start().await;
    let truncated = &TOKEN[..TOKEN.len() - 1];
    for value in ["Bearer wrong", "Bearer", &format!("Bearer {truncated}"), &format!("Basic {TOKEN}"), TOKEN] {
        let request = Request::builder().uri("/v1/apps").header("host", HOST).header("authorization", value);
        let detail = host.send(request, ()).await.problem(401, "unauthorized");
        assert!(!detail.contains(TOKEN), "{detail}");
    }
}

#[tokio::test]
async fn a_page_whose_name_was_bound_to_this_machine_gets_nowhere() {
    let host = TestHost::builder().start().await;
    let request = |name: Option<&str>, path: &str| {
        let request = Request::builder().uri(path).header("authorization", format!("Bearer {TOKEN}"));
        if let Some(name) = name { request.header("host", name) } else { request }
    };
    for name in ["localhost:7117", "larder.example", "[::1]"] {
        host.send(request(Some(name), "/v1/apps"), ()).await.expect(200);
    }
    for path in ["/v1/apps", "/healthz", "/nosuch"] {
        let detail = host.send(request(Some("evil.example"), path), ()).await.problem(403, "forbidden");
        assert!(detail.contains("evil.example") && detail.contains("--allow-host"), "{detail}");
    }
    host.send(request(None, "/v1/apps"), ()).await.problem(403, "forbidden");
    host.send(request(Some(HOST), "http://evil.example/v1/apps"), ()).await.problem(403, "forbidden");
    host.send(request(Some(HOST), "http://localhost/v1/apps"), ()).await.expect(200);
}

#[tokio::test]
async fn what_there_is_not_is_told_as_a_problem() {
    let host = TestHost::builder().start().await;
    for path in ["/v1/nosuch", "/", "/v1/apps/", "/v2/catalog"] {
        assert!(host.get(path).await.problem(404, "not_found").contains(path));
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/v1/catalog", "GET,HEAD"),
        (Method::POST, "/v1/apps/demo", "GET,HEAD,PUT,DELETE"),
        (Method::GET, "/v1/providers/a/versions/b/activate", "POST"),
        (Method::POST, "/healthz", "GET,HEAD"),
    ] {
        let answer = host.send(host.request(method, path), ()).await;
        assert_eq!(
            answer.header("allow").split(',').collect::<std::collections::BTreeSet<_>>(),
            allowed.split(',').collect()
        );
        answer.problem(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn every_answer_has_an_identifier_and_is_kept_by_no_cache() {
    let host = TestHost::builder().start().await;
    let (first, second) = (host.get("/v1/apps").await, host.get("/v1/nosuch").await);
    for answer in [&first, &second] {
        assert_eq!(answer.header("x-request-id").len(), 36);
        assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"));
    }
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[tokio::test]
async fn a_handler_that_panics_is_an_internal_problem_and_the_host_goes_on() {
    let host = TestHost::builder().start().await;
    let detail = host.upload("x", "panic").await.problem(500, "internal");
    assert!(!detail.contains("hunter2"), "{detail}");
    assert_eq!(host.get("/v1/providers").await.expect(200), json!({ "providers": [] }));
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_log_tells_of_requests_and_not_of_what_is_in_them() {
    let log = Log::default();
    // Of a single subscriber, tracing asks only the thread that comes by first whether it listens; that may be another test's.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(log.clone())
        .finish();
    let _until_the_end = tracing::subscriber::set_default(subscriber);
    let host = TestHost::builder().without_worker().start().await;
    host.put("/v1/apps/demo").await.expect(201);
    host.patch(json!({ "PASSWORD": "hunter2" })).await.expect(200);
    let id = host.get("/v1/nosuch?token=hunter2").await.header("x-request-id").to_owned();
    host.upload("x", "panic").await.problem(500, "internal");
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let request = "method=PATCH path=\"/v1/apps/{app}/config\"";
    assert!(text.contains(request) && text.contains("status=200") && text.contains(&id), "{text}");
    assert!(text.contains("a handler panicked"), "{text}");
    assert!(!text.contains(TOKEN), "{text}");
    assert!(text.lines().filter(|line| !line.contains("panicked")).all(|line| !line.contains("hunter2")), "{text}");
}
