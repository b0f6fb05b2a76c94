//! Bytes through a tunnel.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A tunnel to this port; it ends with the test.
async fn tunnel(port: u16) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = listener.local_addr().unwrap();
    let target = Arc::new(Endpoint { host: "127.0.0.1".into(), port });
    tokio::spawn(async move { accept(Out { json: false, quiet: true }, &listener, target).await });
    local
}

async fn bind() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn whoever_has_said_all_still_gets_the_answer() {
    let (far, port) = bind().await;
    let local = tunnel(port).await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = far.accept().await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        heard.reverse();
        stream.write_all(&heard).await.unwrap();
    });
    let mut client = TcpStream::connect(local).await.unwrap();
    let said: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    client.write_all(&said).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, client.read_to_end(&mut answer)).await.unwrap().unwrap();
    server.await.unwrap();
    assert!(answer.iter().rev().eq(said.iter()));
}

#[tokio::test]
async fn who_does_not_read_is_not_read_for() {
    let (far, port) = bind().await;
    let local = tunnel(port).await;
    let client = TcpStream::connect(local).await.unwrap();
    let (_silent, _) = far.accept().await.unwrap();
    let block = vec![0_u8; 64 * 1024];
    let mut written = 0;
    // The buffers of two connections and of the tunnel take something; then nothing is taken any more.
    while let Ok(ready) = timeout(Duration::from_millis(300), client.writable()).await {
        ready.unwrap();
        written += client.try_write(&block).unwrap_or_default();
        assert!(written < 64 * 1024 * 1024, "it is kept somewhere");
    }
    assert!(written > 0);
}

#[tokio::test]
async fn an_addon_that_is_away_ends_no_tunnel() {
    let (far, port) = bind().await;
    drop(far);
    let local = tunnel(port).await;
    let mut refused = TcpStream::connect(local).await.unwrap();
    let mut nothing = Vec::new();
    timeout(PATIENCE, refused.read_to_end(&mut nothing)).await.unwrap().unwrap();
    assert!(nothing.is_empty());
    let far = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let mut client = TcpStream::connect(local).await.unwrap();
    let (mut stream, _) = timeout(PATIENCE, far.accept()).await.unwrap().unwrap();
    stream.write_all(b"back").await.unwrap();
    drop(stream);
    timeout(PATIENCE, client.read_to_end(&mut nothing)).await.unwrap().unwrap();
    assert_eq!(nothing, b"back");
}

#[tokio::test]
async fn connections_are_bounded() {
    let (far, port) = bind().await;
    let local = tunnel(port).await;
    let (taken, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move { while taken.send(far.accept().await.unwrap()).is_ok() {} });
    let (mut clients, mut far) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS_MAX {
        clients.push(TcpStream::connect(local).await.unwrap());
        far.push(timeout(PATIENCE, arrived.recv()).await.unwrap().unwrap());
    }
    clients.push(TcpStream::connect(local).await.unwrap());
    assert!(timeout(Duration::from_millis(300), arrived.recv()).await.is_err(), "one too many");
    drop((clients.remove(0), far.remove(0)));
    assert!(timeout(PATIENCE, arrived.recv()).await.unwrap().is_some(), "nobody took the place that became free");
}
