//! A server that speaks as much HTTP as a test needs: one request a connection, and whatever answer the test wants.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::DockerEngine;
use crate::bounds::Bounds;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The method and the path, `GET /v1.41/info`, without the query.
    pub(super) what: String,
    /// What stands after the question mark, decoded.
    pub(super) query: String,
    pub(super) head: String,
    pub(super) body: Value,
}

/// What comes back.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Json(u16, Value),
    /// These bytes, then the end.
    Raw(Vec<u8>),
    /// These bytes, then nothing more, without an end.
    Open(Vec<u8>),
    /// The first bytes, and then the second ones for ever.
    Endless(Vec<u8>, Vec<u8>),
    /// Another protocol, in which these bytes come after all that the client has to say.
    Upgrade(Vec<u8>),
}

pub(super) struct Server {
    dir: TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// What came after an upgrade.
    fed: Arc<Mutex<Vec<u8>>>,
    /// How much was sent without end.
    sent: Arc<AtomicUsize>,
    /// How many open answers were left by the client.
    left: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Server {
    /// A server that answers each request so. Without an answer, it is that of a good engine to the question for its version.
    pub(super) fn start(answer: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Self {
            dir,
            asked: Arc::default(),
            fed: Arc::default(),
            sent: Arc::default(),
            left: Arc::default(),
            tasks: JoinSet::new(),
        };
        let listener = UnixListener::bind(server.path()).unwrap();
        let (asked, fed, sent) = (Arc::clone(&server.asked), Arc::clone(&server.fed), Arc::clone(&server.sent));
        let left = Arc::clone(&server.left);
        let answer = Arc::new(answer);
        server.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, fed, sent) = (Arc::clone(&asked), Arc::clone(&fed), Arc::clone(&sent));
                let (answer, left) = (Arc::clone(&answer), Arc::clone(&left));
                connections.spawn(async move {
                    let mut stream = stream;
                    let Some(request) = read(&mut stream).await else { return };
                    asked.lock().unwrap().push(request.clone());
                    let answer = answer(&request).unwrap_or_else(|| good(&request));
                    reply(stream, answer, &fed, &sent, &left).await;
                });
            }
        });
        server
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().join("engine.sock")
    }

    pub(super) fn engine(&self, bounds: Bounds) -> DockerEngine {
        DockerEngine::connect(&format!("unix://{}", self.path().display())).unwrap().with_bounds(bounds)
    }

    /// All requests but those for the version.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.what != "GET /version").cloned().collect()
    }

    pub(super) fn asked_for_version(&self) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.what == "GET /version").count()
    }

    pub(super) fn fed(&self) -> Vec<u8> {
        self.fed.lock().unwrap().clone()
    }

    /// Ends when the client has left so many open answers.
    pub(super) async fn left(&self, count: usize) {
        while self.left.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

/// What a good engine says of its version; anything else is not there.
fn good(asked: &Asked) -> Answer {
    match asked.what.as_str() {
        "GET /version" => {
            Answer::Json(200, json!({"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}))
        }
        _ => Answer::Json(404, json!({"message": "page not found"})),
    }
}

async fn read(stream: &mut UnixStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while bytes.len() < head_end + length.unwrap_or(0) {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = serde_json::from_slice(&bytes[head_end..]).unwrap_or(Value::Null);
    Some(Asked { what: format!("{method} {path}"), query: decoded(query), head: head.clone(), body })
}

fn decoded(query: &str) -> String {
    let mut pieces = query.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let byte = u8::from_str_radix(&piece[..2], 16).unwrap();
        text.push(char::from(byte));
        text.push_str(&piece[2..]);
    }
    text
}

async fn reply(mut stream: UnixStream, answer: Answer, fed: &Mutex<Vec<u8>>, sent: &AtomicUsize, left: &AtomicUsize) {
    match answer {
        Answer::Json(status, value) => {
            let body = if status == 204 { String::new() } else { value.to_string() };
            let _ = stream.write_all(whole(status, &body).as_bytes()).await;
        }
        Answer::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Answer::Open(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // Until the client goes.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            left.fetch_add(1, Ordering::SeqCst);
        }
        Answer::Endless(first, again) => {
            let _ = stream.write_all(&first).await;
            while stream.write_all(&again).await.is_ok() {
                sent.fetch_add(again.len(), Ordering::SeqCst);
            }
        }
        Answer::Upgrade(bytes) => {
            let head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            let mut stdin = Vec::new();
            let expects_stdin = fed.lock().unwrap().is_empty();
            if expects_stdin {
                let _ =
                    tokio::time::timeout(std::time::Duration::from_millis(50), stream.read_to_end(&mut stdin)).await;
            }
            fed.lock().unwrap().extend(stdin);
            let _ = stream.write_all(&bytes).await;
        }
    }
}

pub(super) fn whole(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// The head of an answer whose length nobody knows yet, and its chunks, without the last one.
pub(super) fn chunked(chunks: &[&str]) -> Vec<u8> {
    let mut text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    for chunk in chunks {
        text.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    }
    text.into_bytes()
}
