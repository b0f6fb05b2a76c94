//! A server that answers with what a test laid out, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cli::args::Global;
use crate::cli::context::Context;

/// What to answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: u16,
    content_type: &'static str,
    body: String,
    header: Option<(&'static str, &'static str)>,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: "application/json", body: body.to_string(), header: None }
    }

    pub(super) fn problem(status: u16, code: &str) -> Self {
        let body = json!({"code": code, "status": status, "title": code, "detail": "what was found"});
        Self { status, content_type: "application/problem+json", body: body.to_string(), header: None }
    }

    /// The same with a header.
    pub(super) fn with(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// No answer: the connection breaks.
    pub(super) fn lost() -> Self {
        Self { status: 0, content_type: "", body: String::new(), header: None }
    }

    pub(super) fn text(status: u16, content_type: &'static str, body: &str) -> Self {
        Self { status, content_type, body: body.to_owned(), header: None }
    }
}

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Method, path and query.
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Debug, Default)]
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<Seen>>,
}

/// The server. It lives as long as the test's runtime.
#[derive(Debug)]
pub(super) struct Server {
    url: String,
    script: Arc<Script>,
}

impl Server {
    /// Answers each request with the next reply; with problem `script_over` when there are no more.
    pub(super) async fn play(replies: impl IntoIterator<Item = Reply>) -> Self {
        // Fails from the second test on, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let script = Arc::new(Script { replies: Mutex::new(replies.into_iter().collect()), seen: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, script }
    }

    pub(super) fn context(&self) -> Context {
        let (url, token) = (Some(self.url.clone()), Some("the-token".to_owned()));
        Context::new(&Global { url, token, quiet: true, ..Global::default() }).unwrap()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let line = format!("{} {}", head.method, head.uri);
    script.seen.lock().unwrap().push(Seen { line, headers: head.headers, body });
    let reply = script.replies.lock().unwrap().pop_front();
    let reply = reply.unwrap_or_else(|| Reply::problem(500, "script_over"));
    // The task of a connection that panics takes the connection with it.
    assert_ne!(reply.status, 0, "as the test wants it");
    let mut builder = Response::builder().status(reply.status).header("content-type", reply.content_type);
    if let Some((name, value)) = reply.header {
        builder = builder.header(name, value);
    }
    builder.body(Body::from(reply.body)).unwrap()
}
