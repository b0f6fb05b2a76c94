//! TLS in both directions: an engine that does not prove itself is told nothing, and one that wants a proof of this host gets it.

use std::sync::Arc;

use larder_domain::SecretString;
use larder_domain::ports::engine::{Engine, EngineError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::patient;
use super::server::whole;
use crate::{DockerEngine, Pem, Tls, TlsError, TlsProof};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, in PEM.
fn signed(authority: &Authority, name: &str) -> (String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    (certificate.pem(), key)
}

fn pem(called: &str, text: String) -> Pem {
    Pem { called: called.to_owned(), text: SecretString::new(text) }
}

fn proof(engines: &Authority, own: &(String, KeyPair)) -> TlsProof {
    let (ca, cert) = (pem("ca.pem", engines.pem()), pem("cert.pem", own.0.clone()));
    TlsProof { ca, cert, key: pem("key.pem", own.1.serialize_pem()) }
}

/// An engine behind TLS with a certificate for `name`, which wants one of the authority of hosts.
async fn engine(engines: &Authority, name: &str, hosts: &Authority, tasks: &mut JoinSet<()>) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(hosts.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let (pem, key) = signed(engines, name);
    let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let _read = stream.read(&mut head).await;
            let answer = whole(200, r#"{"Version": "1", "ApiVersion": "1.45", "MemoryLimit": true}"#);
            let _written = stream.write_all(answer.as_bytes()).await;
            let _closed = stream.shutdown().await;
        }
    });
    port
}

async fn asked(port: u16, proof: &TlsProof) -> Result<String, EngineError> {
    let engine = DockerEngine::connect(&format!("tcp://127.0.0.1:{port}")).unwrap();
    let engine = engine.secured(Tls::of(proof).unwrap()).with_bounds(patient());
    Ok(engine.info().await?.version)
}

#[tokio::test]
async fn both_sides_prove_who_they_are() {
    let mut tasks = JoinSet::new();
    let (engines, hosts, strangers) = (authority(), authority(), authority());
    let port = engine(&engines, "127.0.0.1", &hosts, &mut tasks).await;
    let own = signed(&hosts, "larder");
    assert_eq!(asked(port, &proof(&engines, &own)).await, Ok("1".to_owned()));

    // An engine that somebody else vouches for, or that is another one.
    let unknown = asked(port, &proof(&strangers, &own)).await;
    assert!(
        matches!(&unknown, Err(EngineError::Unreachable(why)) if why.contains("invalid peer certificate")),
        "{unknown:?}"
    );
    let elsewhere = engine(&engines, "10.0.0.1", &hosts, &mut tasks).await;
    let other = asked(elsewhere, &proof(&engines, &own)).await;
    assert!(matches!(&other, Err(EngineError::Unreachable(why)) if why.contains("not valid for name")), "{other:?}");

    // A host that the engine does not know. With TLS 1.3 it is told after the handshake.
    let stranger = asked(port, &proof(&engines, &signed(&strangers, "larder"))).await;
    assert!(matches!(stranger, Err(EngineError::Unreachable(_) | EngineError::Failed(_))), "{stranger:?}");

    // Without TLS it is no engine at all.
    let plain = DockerEngine::connect(&format!("tcp://127.0.0.1:{port}")).unwrap().with_bounds(patient());
    assert!(plain.info().await.is_err());
}

#[test]
fn what_can_not_be_used_is_named() {
    let authority = authority();
    let good = proof(&authority, &signed(&authority, "larder"));
    assert!(Tls::of(&good).is_ok());
    let empty = pem("empty.pem", "nothing".to_owned());
    let other = pem("other.pem", KeyPair::generate().unwrap().serialize_pem());
    for (wrong, called) in [
        (TlsProof { ca: empty.clone(), ..good.clone() }, "empty.pem"),
        (TlsProof { cert: empty.clone(), ..good.clone() }, "empty.pem"),
        (TlsProof { key: empty, ..good.clone() }, "empty.pem"),
        // A key that belongs to another certificate.
        (TlsProof { key: other, ..good.clone() }, "other.pem"),
    ] {
        let error: TlsError = Tls::of(&wrong).unwrap_err();
        assert!(error.to_string().contains(called), "{error}");
    }
}
