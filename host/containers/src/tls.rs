//! TLS to an engine: it proves itself to one authority that an operator named, and this host proves itself to it with a
//! certificate of its own. What the platform trusts does not count: who may be root on an engine is nobody else's to say.

use std::fmt;
use std::io;
use std::sync::Arc;

use larder_domain::SecretString;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A text in PEM, and what people call it: the name of its file, say.
#[derive(Debug, Clone)]
pub struct Pem {
    /// What it is called.
    pub called: String,
    /// What it says.
    pub text: SecretString,
}

/// Texts in PEM, each one part of the proof.
#[derive(Debug, Clone)]
pub struct TlsProof {
    /// The authority that signed the engine's certificate.
    pub ca: Pem,
    /// This host's certificate.
    pub cert: Pem,
    /// The key that belongs to it.
    pub key: Pem,
}

/// Texts that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It is no PEM.
    #[error("{called} must be {expected} in PEM: {why}")]
    Unreadable {
        /// Which one.
        called: String,
        /// What it is to hold.
        expected: &'static str,
        /// Why not. The library's own words repeat lines of the text, which may be a key's.
        why: &'static str,
    },
    /// There is nothing in it.
    #[error("{0} holds no certificate; expected is PEM, `-----BEGIN CERTIFICATE-----`")]
    Empty(String),
    /// What is in it is of no use.
    #[error("{called} can't be used: {source}")]
    Unusable {
        /// Which one.
        called: String,
        /// Why.
        source: rustls::Error,
    },
}

/// How to speak TLS with an engine.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Understands the texts.
    ///
    /// # Errors
    /// Whatever is wrong with them.
    pub fn of(proof: &TlsProof) -> Result<Self, TlsError> {
        let TlsProof { ca, cert, key } = proof;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|source| TlsError::Unusable { called: ca.called.clone(), source })?;
        }
        let chain = certificates(cert)?;
        let unreadable =
            |error| TlsError::Unreadable { called: key.called.clone(), expected: "a private key", why: words(&error) };
        let own = PrivateKeyDer::from_pem_slice(key.text.reveal().as_bytes()).map_err(unreadable)?;
        let unusable = |source| TlsError::Unusable { called: key.called.clone(), source };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(unusable)?.with_root_certificates(roots);
        Ok(Self(Arc::new(builder.with_client_auth_cert(chain, own).map_err(unusable)?)))
    }

    /// Speaks TLS with the engine of that name or address.
    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem.text.reveal().as_bytes()).collect::<Result<Vec<_>, _>>();
    let unreadable =
        |error| TlsError::Unreadable { called: pem.called.clone(), expected: "certificates", why: words(&error) };
    let found = found.map_err(unreadable)?;
    if found.is_empty() { Err(TlsError::Empty(pem.called.clone())) } else { Ok(found) }
}

fn words(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "a section does not end; each `-----BEGIN …-----` and `-----END …-----` is a line of its own"
        }
        pem::Error::IllegalSectionStart { .. } => "a line begins as `-----BEGIN …-----` does, and does not end so",
        pem::Error::Base64Decode(_) => "what is in a section is no base64",
        pem::Error::NoItemsFound => "there is none in it",
        _ => "it can't be read",
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}
