//! Connections that send no request, and those that are open at the end.

use std::net::SocketAddr;

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::*;

/// A server that says yes, the way to stop it, and its end.
async fn start(limits: Limits) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let answer = async |crowded: Option<Extension<Crowded>>| if crowded.is_some() { "come back" } else { "yes" };
    // More than the system takes for a client that does not read.
    let much = get(async || vec![0_u8; 32 * 1024 * 1024]);
    let router = Router::new().route("/", get(answer)).route("/much", much);
    (address, stop, tokio::spawn(serve(listener, router, limits, stopped)))
}

async fn connect(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the other side ends the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn one_that_sends_no_request_gives_its_place_to_the_next() {
    let header_wait = Duration::from_millis(100);
    let limits = Limits { connections_max: 1, crowd_max: 0, header_wait, ..Limits::default() };
    let (address, stop, end) = start(limits).await;
    let half = connect(address, "GET / HTTP/1.1\r\nHost: local").await;
    let whole = connect(address, "GET / HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n").await;
    assert!(rest(whole).await.ends_with("yes"));
    assert!(!rest(half).await.contains("yes"));
    stop.send_replace(true);
    end.await.unwrap();
}

#[tokio::test]
async fn one_that_does_not_read_its_answer_gives_its_place_to_the_next() {
    let unread_wait = Duration::from_millis(200);
    let limits = Limits { connections_max: 1, crowd_max: 0, unread_wait, ..Limits::default() };
    let (address, stop, end) = start(limits).await;
    let deaf = connect(address, "GET /much HTTP/1.1\r\nHost: local\r\n\r\n").await;
    let next = connect(address, "GET / HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n").await;
    assert!(rest(next).await.ends_with("yes"));
    drop(deaf);
    stop.send_replace(true);
    end.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let (address, stop, end) = start(Limits::default()).await;
    let mut idle = connect(address, "GET / HTTP/1.1\r\nHost: local\r\n\r\n").await;
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    stop.send_replace(true);
    end.await.unwrap();
    assert!(rest(idle).await.ends_with("yes"));
}

#[tokio::test]
async fn one_too_many_is_told_to_come_back_and_closed() {
    let limits = Limits { connections_max: 1, crowd_max: 1, ..Limits::default() };
    let (address, stop, end) = start(limits).await;
    let mut first = connect(address, "GET / HTTP/1.1\r\nHost: local\r\n\r\n").await;
    let mut answer = [0; 15];
    first.read_exact(&mut answer).await.unwrap();
    for _ in 0..3 {
        let second = connect(address, "GET / HTTP/1.1\r\nHost: local\r\n\r\n").await;
        let told = rest(second).await;
        assert!(told.ends_with("come back") && told.contains("connection: close"), "{told}");
    }
    drop(first);
    // Its place is free as soon as the server has seen that it is closed.
    let served = async {
        while !rest(connect(address, "GET / HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n").await)
            .await
            .ends_with("yes")
        {}
    };
    timeout(Duration::from_secs(10), served).await.unwrap();
    stop.send_replace(true);
    end.await.unwrap();
}

#[tokio::test]
async fn one_in_the_crowd_that_says_nothing_is_closed() {
    let crowd_wait = Duration::from_millis(100);
    let limits = Limits { connections_max: 0, crowd_max: 1, crowd_wait, ..Limits::default() };
    let (address, stop, end) = start(limits).await;
    let silent = connect(address, "GET / HT").await;
    let next = connect(address, "GET / HTTP/1.1\r\nHost: local\r\n\r\n").await;
    assert_eq!(rest(silent).await, "");
    assert!(rest(next).await.ends_with("come back"));
    stop.send_replace(true);
    end.await.unwrap();
}
