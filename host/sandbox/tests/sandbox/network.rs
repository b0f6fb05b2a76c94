//! The gate, with real sockets and a real server on loopback: what is granted works, and nothing else does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use larder_domain::ports::CallReport;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::caller::{Caller, failed, said};
use crate::isolated::{METADATA, is_isolated};

/// A server that answers every connection with the same bytes, and counts them.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answer: &'static str) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0), answer).await
    }

    async fn start_at(address: (Ipv4Addr, u16), answer: &'static str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut asked = [0; 1024];
                    let _ = stream.read(&mut asked).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { address, connections }
    }

    fn port(&self) -> u16 {
        self.address.port()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn wanted(report: &CallReport) -> Vec<&str> {
    report.denied.iter().map(|denied| &*denied.wanted).collect()
}

fn tcp(to: impl ToString) -> Value {
    json!({ "tcp": { "to": to.to_string(), "send": "hello\n" } })
}

fn http(authority: impl ToString) -> Value {
    json!({ "http": { "scheme": "http", "authority": authority.to_string(), "path": "/x?y=1" } })
}

#[tokio::test]
async fn a_socket_reaches_what_was_granted_and_nothing_else() {
    let (server, guest) = (Server::start("welcome").await, Caller::shared().await);
    let granted = format!("tcp://127.0.0.1:{}", server.port());
    assert_eq!(said(&guest.does(tcp(server.address), &[&granted]).await), "welcome");
    assert_eq!(server.connections(), 1);

    let other_port = format!("tcp://127.0.0.1:{}", server.port() ^ 1);
    let as_http = format!("http://127.0.0.1:{}", server.port());
    let everything = format!("tcp://0.0.0.0/0:{}", server.port());
    let by_name = format!("tcp://localhost:{}", server.port());
    for grants in [&[][..], &[&*other_port], &[&*as_http], &[&*everything], &[&*by_name]] {
        let report = guest.does(tcp(server.address), grants).await;
        assert!(failed(&report).contains("PermissionDenied"), "{grants:?}: {}", failed(&report));
        assert_eq!(wanted(&report), [&*granted], "{grants:?}");
    }
    assert_eq!(server.connections(), 1, "no other connection was ever made");
}

#[tokio::test]
async fn a_socket_reaches_a_name_whose_addresses_are_granted_too() {
    let (server, guest) = (Server::start("welcome").await, Caller::shared().await);
    let to = format!("localhost:{}", server.port());
    let (name, address) = (format!("tcp://{to}"), format!("tcp://127.0.0.1:{}", server.port()));
    let both = guest.does(tcp(&to), &[&name, &address]).await;
    assert_eq!(said(&both), "welcome");
    // Looked up, since the name is granted; but a name is not enough to reach the host itself.
    let name_alone = guest.does(tcp(&to), &[&name]).await;
    failed(&name_alone);
    assert!(wanted(&name_alone).contains(&&*address), "{:?}", name_alone.denied);
    let nothing = guest.does(tcp(&to), &[&address]).await;
    failed(&nothing);
    assert_eq!(wanted(&nothing), ["the address of localhost"]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_request_reaches_what_was_granted_and_nothing_else() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nwelcome";
    let (server, guest) = (Server::start(answer).await, Caller::shared().await);
    let granted = format!("http://127.0.0.1:{}", server.port());
    assert_eq!(said(&guest.does(http(server.address), &[&granted]).await), "200 welcome");

    let tcp_only = format!("tcp://127.0.0.1:{}", server.port());
    let tls_only = format!("https://127.0.0.1:{}", server.port());
    for grants in [&[][..], &["http://127.0.0.1"], &[&*tcp_only], &[&*tls_only]] {
        let report = guest.does(http(server.address), grants).await;
        assert!(failed(&report).contains("HttpRequestDenied"), "{grants:?}: {}", failed(&report));
        assert_eq!(wanted(&report), [&*granted], "{grants:?}");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_request_to_a_granted_name_does_not_reach_an_address_that_is_not() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nwelcome";
    let (server, guest) = (Server::start(answer).await, Caller::shared().await);
    let to = format!("localhost:{}", server.port());
    let (name, address) = (format!("http://{to}"), format!("http://127.0.0.1:{}", server.port()));
    let name_alone = guest.does(http(&to), &[&name]).await;
    assert!(failed(&name_alone).contains("DestinationIpProhibited"), "{}", failed(&name_alone));
    assert!(wanted(&name_alone).contains(&&*address), "{:?}", name_alone.denied);
    assert_eq!(server.connections(), 0);
    assert_eq!(said(&guest.does(http(&to), &[&name, &address]).await), "200 welcome");
}

#[tokio::test]
async fn hosts_that_can_be_read_in_two_ways_lead_nowhere() {
    let (server, guest) = (Server::start("HTTP/1.1 200 OK\r\n\r\n").await, Caller::shared().await);
    let port = server.port();
    let grants = [
        format!("http://127.0.0.1:{port}"),
        format!("http://*.example.com:{port}"),
        format!("tcp://127.0.0.1:{port}"),
        format!("tcp://*.example.com:{port}"),
    ];
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    for host in
        ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "127.0.0.01", "a.example.com@127.0.0.1", "[::ffff:7f00:2]"]
    {
        let report = guest.does(http(format!("{host}:{port}")), &grants).await;
        failed(&report);
        failed(&guest.does(tcp(format!("{host}:{port}")), &grants).await);
    }
    assert_eq!(server.connections(), 0);
    // The same address in another dress is the same address.
    let mapped = guest.does(http(format!("[::ffff:127.0.0.1]:{port}")), &grants).await;
    said(&mapped);
}

#[tokio::test]
async fn there_is_no_udp_and_no_listening() {
    let guest = Caller::shared().await;
    let grants = ["tcp://127.0.0.0/8:1-65535", "tcp://0.0.0.0/0:1-65535"];
    for behaviour in
        [json!({ "udp": "127.0.0.1:53" }), json!({ "listen": "127.0.0.1:0" }), json!({ "listen": "0.0.0.0:0" })]
    {
        let report = guest.does(behaviour.clone(), &grants).await;
        let reason = failed(&report);
        assert!(reason.contains("PermissionDenied") || reason.contains("Unsupported"), "{behaviour}: {reason}");
    }
}

#[tokio::test]
async fn the_host_header_is_the_hosts_and_redirects_are_answers() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    let (server, guest) = (Server::start(answer).await, Caller::shared().await);
    let granted = format!("http://127.0.0.1:{}", server.port());
    assert_eq!(said(&guest.does(http(server.address), &[&granted]).await), "302 ");
    let forged = json!({ "http": {
        "scheme": "http", "authority": server.address.to_string(), "path": "/", "headers": { "host": "evil.example" }
    } });
    let report = guest.does(forged, &[&granted]).await;
    assert!(failed(&report).contains("Forbidden"), "{}", failed(&report));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn connections_of_one_call_are_counted() {
    let (server, guest) = (Server::start("x").await, Caller::shared().await);
    let granted = format!("tcp://127.0.0.1:{}", server.port());
    let many: Vec<Value> = (0..40).map(|_| tcp(server.address)).collect();
    let report = guest.goes(&many, &[&granted]).await;
    failed(&report);
    assert_eq!(server.connections(), 32);
}

#[tokio::test]
async fn a_server_that_never_answers_costs_the_call_its_time_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, guest) = (listener.local_addr().unwrap(), Caller::shared().await);
    let granted = format!("http://{address}");
    let impatient = json!({ "http": {
        "scheme": "http", "authority": address.to_string(), "path": "/", "wait_ms": 50
    } });
    let report = guest.does(impatient, &[&granted]).await;
    let reason = failed(&report);
    assert!(reason.contains("ConnectionReadTimeout"), "{reason}");
    assert!(report.cpu < std::time::Duration::from_secs(1));
}

#[tokio::test]
async fn the_metadata_service_is_out_of_reach_unless_it_is_named() {
    if !is_isolated("network::the_metadata_service_is_out_of_reach_unless_it_is_named") {
        return;
    }
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ncreds";
    let (server, guest) = (Server::start_at((METADATA, 80), answer).await, Caller::shared().await);
    let wide = [
        "http://0.0.0.0/0",
        "http://128.0.0.0/1",
        "tcp://0.0.0.0/0:1-65535",
        "http://*.internal.example",
        "http://[::]/0",
    ];
    for host in [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
    ] {
        failed(&guest.does(http(host), &wide).await);
        failed(&guest.does(tcp(format!("{host}:80")), &wide).await);
    }
    for host in ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"] {
        failed(&guest.does(http(host), &wide).await);
        failed(&guest.does(tcp(format!("{host}:80")), &wide).await);
    }
    assert_eq!(server.connections(), 0);
    assert_eq!(
        said(&guest.does(http(METADATA), &["http://169.254.169.254"]).await),
        "200 creds",
        "an operator may want it"
    );
}
