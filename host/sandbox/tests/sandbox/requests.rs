//! Requests and answers that try to be something else: smuggled, doubled, endless. With a real server on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larder_domain::failure::FaultCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::caller::{Caller, failed, said};
use crate::host::code;

const A_LOT: &str = match str::from_utf8(&[b'a'; 16 * 1024]) {
    Ok(text) => text,
    Err(_) => "",
};

/// How a server goes on once it has the head of a request.
#[derive(Clone, Copy)]
enum Answers {
    /// With the head, as it came.
    WithTheHead,
    /// With this alone.
    With(&'static str),
    /// With this, and then this again and again.
    ForEver(&'static str, &'static str),
    /// The same, slowly.
    Drip(&'static str, &'static str),
}

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                // Whoever asked may go away in the midst of the answer.
                tokio::spawn(async move { drop(answer(stream, answers).await) });
            }
        });
        Self { address, connections }
    }

    fn asks(&self) -> Value {
        json!({ "scheme": "http", "authority": self.address.to_string(), "path": "/x" })
    }

    fn granted(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn answer(mut stream: TcpStream, answers: Answers) -> std::io::Result<()> {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let (first, next, pause) = match answers {
        Answers::WithTheHead => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len()).as_bytes()).await?;
            return stream.write_all(&head).await;
        }
        Answers::With(all) => return stream.write_all(all.as_bytes()).await,
        Answers::ForEver(first, next) => (first, next, Duration::ZERO),
        Answers::Drip(first, next) => (first, next, Duration::from_millis(20)),
    };
    stream.write_all(first.as_bytes()).await?;
    loop {
        // Even without a pause, others are to have their turn.
        tokio::task::yield_now().await;
        if !pause.is_zero() {
            tokio::time::timeout(pause, std::future::pending::<()>()).await.unwrap_err();
        }
        stream.write_all(next.as_bytes()).await?;
    }
}

/// The request with these members set.
fn with(mut request: Value, members: Value) -> Value {
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({ "http": request })
}

#[tokio::test]
async fn what_could_be_read_as_two_requests_is_never_sent() {
    let (server, guest) = (Server::start(Answers::WithTheHead).await, Caller::shared().await);
    for members in [
        json!({ "path": "/x HTTP/1.1\r\nhost: evil\r\n\r\nGET /" }),
        json!({ "path": "/a b" }),
        json!({ "headers": { "x": "a\r\nb: c" } }),
        json!({ "headers": { "x\r\ny": "a" } }),
        json!({ "headers": { "transfer-encoding": "chunked" } }),
        json!({ "headers": { "connection": "upgrade" } }),
        json!({ "headers": { "upgrade": "h2c" } }),
        json!({ "headers": { "proxy-authorization": "x" } }),
        json!({ "headers": { "content-length": "5" } }),
        json!({ "headers": { "content-length": "+0" } }),
        json!({ "method": "GET /other" }),
        json!({ "method": "" }),
        json!({ "method": "x".repeat(33) }),
    ] {
        let report = guest.does(with(server.asks(), members.clone()), &[server.granted()]).await;
        assert!(!failed(&report).is_empty(), "{members}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    assert!(
        said(&guest.does(with(server.asks(), json!({})), &[server.granted()]).await).starts_with("200 GET /x HTTP/1.1")
    );
}

#[tokio::test]
async fn more_headers_than_a_message_may_have_end_the_call() {
    let (server, guest) = (Server::start(Answers::WithTheHead).await, Caller::shared().await);
    let many: serde_json::Map<String, Value> = (0..400).map(|n| (format!("h{n}"), json!("x".repeat(20)))).collect();
    for headers in [json!({ "x": "x".repeat(9_000) }), json!({ "x": "x".repeat(140_000) }), Value::Object(many)] {
        let report = guest.does(with(server.asks(), json!({ "headers": headers })), &[server.granted()]).await;
        assert_eq!(code(&report), FaultCode::Trap, "{:?}", report.outcome);
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_target_is_a_path_and_leads_to_no_other_host() {
    let (server, guest) = (Server::start(Answers::WithTheHead).await, Caller::shared().await);
    for path in ["http://evil.example/x", "*", "evil.example:443"] {
        let report = guest.does(with(server.asks(), json!({ "path": path })), &[server.granted()]).await;
        assert!(failed(&report).contains("the path was refused"), "{path}: {}", failed(&report));
    }
    let report = guest.does(with(server.asks(), json!({ "method": "CONNECT" })), &[server.granted()]).await;
    assert!(failed(&report).contains("HttpRequestMethodInvalid"), "{}", failed(&report));
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    let report = guest.does(with(server.asks(), json!({ "path": "//evil.example/x" })), &[server.granted()]).await;
    assert!(said(&report).starts_with("200 GET //evil.example/x HTTP/1.1"), "{}", said(&report));
    assert!(said(&report).contains(&format!("host: {}", server.address)), "{}", said(&report));
}

#[tokio::test]
async fn endless_heads_end_soon() {
    let guest = Caller::shared().await;
    for next in ["x-a: b\r\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let server = Server::start(Answers::ForEver("HTTP/1.1 200 OK\r\nx: ", next)).await;
        let report = guest.does(with(server.asks(), json!({})), &[server.granted()]).await;
        assert!(failed(&report).contains("Http"), "{}", failed(&report));
        assert!(report.wall < Duration::from_secs(5), "{:?}", report.wall);
    }
}

#[tokio::test]
async fn a_body_without_end_fills_the_guests_memory_and_no_more() {
    let (server, guest) =
        (Server::start(Answers::ForEver("HTTP/1.1 200 OK\r\n\r\n", A_LOT)).await, Caller::shared().await);
    let mut call = guest.call(&[with(server.asks(), json!({}))], &[server.granted()]);
    call.limits.memory_bytes = 6 << 20;
    assert_eq!(code(&guest.calls(call.clone()).await), FaultCode::MemoryLimit);
    // With memory for more, 16 MiB are the end.
    call.limits.memory_bytes = 128 << 20;
    call.limits.cpu = Duration::from_secs(20);
    let report = guest.calls(call).await;
    assert!(failed(&report).contains("exceeds limit: 16777216 bytes"), "{}", failed(&report));
}

#[tokio::test]
async fn drops_for_ever_last_as_long_as_the_call() {
    let guest = Caller::shared().await;
    for first in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nx: "] {
        let server = Server::start(Answers::Drip(first, "a")).await;
        let mut call = guest.call(&[with(server.asks(), json!({}))], &[server.granted()]);
        call.limits.wall = Duration::from_millis(300);
        assert_eq!(code(&guest.calls(call).await), FaultCode::WallLimit, "{first}");
    }
}

#[tokio::test]
async fn waits_of_nothing_and_of_ages_are_bounded_too() {
    let (silent, guest) = (Server::start(Answers::Drip("", "")).await, Caller::shared().await);
    let report = guest.does(with(silent.asks(), json!({ "wait_ms": 0 })), &[silent.granted()]).await;
    assert!(failed(&report).contains("ConnectionReadTimeout"), "{}", failed(&report));
    let server = Server::start(Answers::WithTheHead).await;
    let ages = json!({ "wait_ms": u64::MAX / 1_000_000 });
    let report = guest.does(with(server.asks(), ages), &[server.granted()]).await;
    assert!(said(&report).starts_with("200 GET"));
}

#[tokio::test]
async fn what_is_compressed_stays_so() {
    let bomb = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x08ab";
    let (server, guest) = (Server::start(Answers::With(bomb)).await, Caller::shared().await);
    let report = guest.does(with(server.asks(), json!({})), &[server.granted()]).await;
    // What can't be shown was replaced on its way here.
    assert_eq!(said(&report), "200 \u{fffd}\u{fffd}ab");
}

#[tokio::test]
async fn a_closed_door_tells_nothing_of_who_is_behind_it() {
    let (server, guest) = (Server::start(Answers::WithTheHead).await, Caller::shared().await);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let ask = async |address: SocketAddr| {
        let tcp = guest.does(json!({ "tcp": { "to": address.to_string() } }), &[] as &[&str]).await;
        let http = json!({ "http": { "scheme": "http", "authority": address.to_string(), "path": "/" } });
        let http = guest.does(http, &[] as &[&str]).await;
        [failed(&tcp), failed(&http)].map(|reason| reason.replace(&address.port().to_string(), "PORT"))
    };
    assert_eq!(ask(server.address).await, ask(closed).await);
}
