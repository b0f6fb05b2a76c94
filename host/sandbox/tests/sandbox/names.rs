//! Names that lead somewhere else than they seem to: a name server of ours answers for them, in the network that nobody else is in.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::net::{TcpListener, UdpSocket};

use crate::caller::Caller;
use crate::isolated::{NAME_SERVER, has_names};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);
const INNER: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Types of records (RFC 1035, section 3.2.2).
const A: u16 = 1;
const CNAME: u16 = 5;

/// A message of the length-prefixed labels.
fn labels(name: &str) -> Vec<u8> {
    let label = |part: &str| [&[part.len() as u8], part.as_bytes()].concat();
    name.split('.').flat_map(label).chain([0]).collect()
}

/// A record that lives for no time. The name is that of the question, unless one is given.
fn record(name: Option<&str>, kind: u16, data: &[u8]) -> Vec<u8> {
    let name = name.map_or_else(|| vec![0xc0, 12], labels);
    let (kind, length) = (kind.to_be_bytes(), (data.len() as u16).to_be_bytes());
    [&name[..], &kind, &[0, 1, 0, 0, 0, 0], &length, data].concat()
}

/// The answers for a name, the n-th time that it is asked for.
fn answers(name: &str, time: usize) -> Vec<Vec<u8>> {
    let address = |ip: Ipv4Addr| record(None, A, &ip.octets());
    match name {
        "rebound.test" if time == 0 => vec![address(PUBLIC)],
        "rebound.test" | "inner.test" => vec![address(INNER)],
        "mixed.test" => vec![address(PUBLIC), address(INNER)],
        "alias.test" => {
            vec![record(None, CNAME, &labels("inner.test")), record(Some("inner.test"), A, &INNER.octets())]
        }
        _ => vec![],
    }
}

/// Answers questions for IPv4 addresses; those for others have none.
async fn serve(socket: UdpSocket) {
    let (mut asked, mut times) = ([0; 512], std::collections::HashMap::<String, usize>::new());
    while let Ok((length, from)) = socket.recv_from(&mut asked).await {
        let question = &asked[12..length];
        let end = question.iter().position(|byte| *byte == 0).unwrap();
        let mut name = String::from_utf8_lossy(&question[1..end]).to_lowercase();
        // What separates labels is their length.
        name = name.chars().map(|c| if c.is_ascii_graphic() { c } else { '.' }).collect();
        let is_a = question[end + 1..end + 3] == A.to_be_bytes();
        let found = if is_a { answers(&name, times.get(&name).copied().unwrap_or(0)) } else { vec![] };
        *times.entry(name).or_default() += usize::from(is_a);
        let head = [&asked[..2], &[0x81, 0x80, 0, 1, 0, found.len() as u8, 0, 0, 0, 0]].concat();
        let answer = [head, question[..end + 5].to_vec(), found.concat()].concat();
        socket.send_to(&answer, from).await.unwrap();
    }
}

fn ways(name: &str, port: u16) -> [Value; 3] {
    [
        json!({ "tcp": { "to": format!("{name}:{port}") } }),
        json!({ "http": { "scheme": "http", "authority": format!("{name}:{port}"), "path": "/" } }),
        json!({ "tls": { "host": name, "port": port } }),
    ]
}

#[tokio::test]
async fn no_name_leads_to_the_hosts_own_network() {
    if !has_names("names::no_name_leads_to_the_hosts_own_network") {
        return;
    }
    tokio::spawn(serve(UdpSocket::bind((NAME_SERVER, 53)).await.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections): (SocketAddr, _) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let guest = Caller::shared().await;
    for name in ["rebound.test", "mixed.test", "alias.test", "inner.test"] {
        let grants = ["tcp", "http"].map(|scheme| format!("{scheme}://{name}:{}", address.port()));
        // Each twice: the second answer may be another.
        for way in ways(name, address.port()).iter().cycle().take(6) {
            let report = guest.does(way.clone(), &grants).await;
            assert!(matches!(report.outcome, Ok(Err(_))), "{name}: {:?}", report.outcome);
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    // The names do lead there, for whoever may go.
    let grants = [format!("tcp://alias.test:{}", address.port()), format!("tcp://127.0.0.1:{}", address.port())];
    let reached = guest.does(ways("alias.test", address.port())[0].clone(), &grants).await;
    assert_eq!((reached.outcome.is_ok(), connections.load(Ordering::SeqCst)), (true, 1), "{:?}", reached.outcome);
}
