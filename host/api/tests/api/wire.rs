//! What only shows over a real connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{TOKEN, TestHost};

/// Longer than what the buffers between client and server hold.
const LONG_BYTES: usize = 16 * 1024 * 1024;

/// Sends a request's head and then its body, and reads what comes back, however the sending went.
async fn talk(host: &TestHost, head: &str, body: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, host.router()).into_future());
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let head = format!("{head}\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n");
    let send = async {
        writer.write_all(head.as_bytes()).await.unwrap();
        // A server that has refused may have hung up.
        let _sent = writer.write_all(body).await;
    };
    let mut answer = vec![];
    let (_, read) = tokio::join!(send, reader.read_to_end(&mut answer));
    server.abort();
    read.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_client_that_sends_all_before_it_reads_gets_its_refusal() {
    let host = TestHost::builder().without_worker().start().await;
    let length = format!("Content-Type: application/wasm\r\nContent-Length: {LONG_BYTES}");
    for (path, code) in [("/v1/providers?name=No", "invalid_name"), ("/v1/providers", "invalid_query")] {
        let answer = talk(&host, &format!("POST {path} HTTP/1.1\r\n{length}"), &vec![0; LONG_BYTES]).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(code), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_not_told_to_send_what_is_too_long() {
    let host = TestHost::builder().without_worker().start().await;
    let head = "POST /v1/providers?name=x HTTP/1.1\r\nContent-Type: application/wasm\r\nContent-Length: 1073741824\r\nExpect: 100-continue";
    let answer = talk(&host, head, b"").await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"), "{answer}");
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_not_taken() {
    let host = TestHost::builder().without_worker().start().await;
    let head = "PUT /v1/apps/demo HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5";
    let answer = talk(&host, head, b"hello").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(host.apps().await, serde_json::json!([]));
}
