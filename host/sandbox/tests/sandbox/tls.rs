//! Connections that are secured: by whom a server must be vouched for, under which name, and when TLS begins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_domain::ports::CallReport;
use larder_sandbox::Roots;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::caller::{Caller, failed, said};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nwelcome";

/// An authority of our own, and a server that it vouches for.
struct Server {
    port: u16,
    authority: String,
}

impl Server {
    /// Its certificate is of this name. Before TLS it reads so many bytes in the clear, and answers with one.
    async fn start(name: &str, clear_bytes: usize) -> Self {
        let mut authority = CertificateParams::new(vec![]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let (acceptor, listener) =
            (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if clear_bytes > 0 {
                        let mut clear = vec![0; clear_bytes];
                        stream.read_exact(&mut clear).await.unwrap();
                        stream.write_all(b"S").await.unwrap();
                    }
                    // A client that does not believe us hangs up.
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let mut asked = [0; 1024];
                        let _ = stream.read(&mut asked).await;
                        let _ = stream.write_all(ANSWER).await;
                        let _ = stream.shutdown().await;
                    }
                });
            }
        });
        Self { port, authority: authority.pem() }
    }

    fn trusted(&self) -> Roots {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &self.authority).unwrap();
        Roots::from_pem_file(file.path()).unwrap()
    }

    fn grants(&self) -> Vec<String> {
        let hosts = ["localhost", "127.0.0.1"];
        hosts
            .iter()
            .flat_map(|host| ["tcp", "https"].map(|scheme| format!("{scheme}://{host}:{}", self.port)))
            .collect()
    }

    fn tls(&self, host: &str, first: &str) -> Value {
        json!({ "tls": { "host": host, "port": self.port, "first": first, "send": "hello" } })
    }
}

async fn goes(way: Value, grants: &[String], roots: Roots) -> CallReport {
    Caller::trusting(roots).await.does(way, grants).await
}

#[tokio::test]
async fn a_server_must_be_vouched_for_by_somebody_who_is_trusted() {
    let server = Server::start("localhost", 0).await;
    let (way, grants) = (server.tls("localhost", ""), server.grants());
    assert!(said(&goes(way.clone(), &grants, server.trusted()).await).ends_with("welcome"));
    let stranger = goes(way, &grants, Roots::default()).await;
    assert!(
        failed(&stranger).contains("can't be secured") && failed(&stranger).contains("UnknownIssuer"),
        "{}",
        failed(&stranger)
    );
    let https =
        json!({ "http": { "scheme": "https", "authority": format!("localhost:{}", server.port), "path": "/" } });
    assert_eq!(said(&goes(https, &grants, server.trusted()).await), "200 welcome");
}

#[tokio::test]
async fn a_certificate_is_of_the_host_that_was_connected_to() {
    let server = Server::start("other.example", 0).await;
    let report = goes(server.tls("localhost", ""), &server.grants(), server.trusted()).await;
    assert!(failed(&report).contains("not valid for name"), "{}", failed(&report));
}

#[tokio::test]
async fn tls_can_begin_after_words_in_the_clear() {
    let server = Server::start("127.0.0.1", 8).await;
    let way = server.tls("127.0.0.1", "SSL,plea");
    assert!(said(&goes(way, &server.grants(), server.trusted()).await).ends_with("welcome"));
}

#[tokio::test]
async fn it_needs_the_same_grant_as_a_socket() {
    let server = Server::start("localhost", 0).await;
    let https_alone = [format!("https://localhost:{}", server.port), format!("https://127.0.0.1:{}", server.port)];
    let report = goes(server.tls("localhost", ""), &https_alone, server.trusted()).await;
    assert!(failed(&report).contains("not granted"), "{}", failed(&report));
    assert_eq!(report.denied[0].wanted, format!("tcp://localhost:{}", server.port));
}

/// How long the guest gives a server that says nothing. The host would wait much longer.
const DEADLINE_MS: u64 = 300;

/// In the clear and in a handshake: the deadline is for all that is waited for.
#[tokio::test]
async fn a_server_that_never_answers_is_waited_for_as_long_as_the_guest_says() {
    // It takes connections and says nothing, as a server does that was stopped in its tracks.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let grants = [format!("tcp://127.0.0.1:{port}")];
    for (first, words) in [("hello", "TimedOut"), ("", "did not answer in time")] {
        let way = json!({ "tls": { "host": "127.0.0.1", "port": port, "first": first, "wait_ms": DEADLINE_MS } });
        let began = Instant::now();
        let report = goes(way, &grants, Roots::default()).await;
        let Ok(Err(failure)) = &report.outcome else { panic!("{report:?}") };
        assert!(format!("{failure:?}").contains(words), "{failure:?}");
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(DEADLINE_MS) && took < Duration::from_secs(20), "{took:?}");
    }
}
