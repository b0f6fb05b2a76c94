//! TLS to an engine: it proves itself to one authority that an operator named, and this host proves itself to it with a
//! certificate of its own. What the platform trusts does not count: who may be root on an engine is nobody else's to say.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Files in PEM, each for one part of the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority that signed the engine's certificate.
    pub ca: PathBuf,
    /// This host's certificate.
    pub cert: PathBuf,
    /// The key that belongs to it.
    pub key: PathBuf,
}

/// Files that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It can't be read, or is no PEM.
    #[error("{} must be a readable file with {expected} in PEM: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What it is to hold.
        expected: &'static str,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// There is nothing in it.
    #[error("{} holds no certificate; expected is PEM, `-----BEGIN CERTIFICATE-----`", .0.display())]
    Empty(PathBuf),
    /// What is in it is of no use.
    #[error("{} can't be used: {source}", file.display())]
    Unusable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// How to speak TLS with an engine.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads the files, once: other files are used after the next start.
    ///
    /// # Errors
    /// Whatever is wrong with them.
    pub fn from_files(files: &TlsFiles) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&files.ca)? {
            roots.add(certificate).map_err(|source| TlsError::Unusable { file: files.ca.clone(), source })?;
        }
        let chain = certificates(&files.cert)?;
        let unreadable = |source| TlsError::Unreadable { file: files.key.clone(), expected: "a private key", source };
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable)?;
        let unusable = |source| TlsError::Unusable { file: files.key.clone(), source };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(unusable)?.with_root_certificates(roots);
        Ok(Self(Arc::new(builder.with_client_auth_cert(chain, key).map_err(unusable)?)))
    }

    /// Speaks TLS with the engine of that name or address.
    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let unreadable = |source| TlsError::Unreadable { file: file.to_owned(), expected: "certificates", source };
    let found = found.map_err(unreadable)?;
    if found.is_empty() { Err(TlsError::Empty(file.to_owned())) } else { Ok(found) }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}
