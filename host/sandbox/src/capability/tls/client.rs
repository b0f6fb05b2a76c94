//! The TLS of all guests' connections: servers must prove their names, to authorities that the platform or the operator trusts. These
//! are read when the first connection needs them.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Authorities that an operator trusts, beside the platform's.
#[derive(Debug, Clone, Default)]
pub struct Roots(Vec<CertificateDer<'static>>);

/// A file of authorities that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// It can't be read, or is no PEM.
    #[error("it must be a readable file of certificates in PEM")]
    Unreadable(#[source] rustls::pki_types::pem::Error),
    /// There is none in it.
    #[error("it holds no certificate; expected is PEM, `-----BEGIN CERTIFICATE-----`")]
    Empty,
    /// One of them is no authority's.
    #[error("certificate {number} in it can't be used as an authority")]
    Unusable {
        /// From 1.
        number: usize,
        /// Why.
        source: rustls::Error,
    },
}

impl Roots {
    /// Reads certificates in PEM.
    ///
    /// # Errors
    /// Whatever is wrong with the file.
    pub fn from_pem_file(path: &Path) -> Result<Self, RootsError> {
        let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let found = found.map_err(RootsError::Unreadable)?;
        if found.is_empty() {
            return Err(RootsError::Empty);
        }
        let mut store = RootCertStore::empty();
        for (at, certificate) in found.iter().enumerate() {
            store.add(certificate.clone()).map_err(|source| RootsError::Unusable { number: at + 1, source })?;
        }
        Ok(Self(found))
    }

    /// Settings for connections to whoever proves their name to these authorities or to the platform's.
    ///
    /// # Errors
    /// There is no version of TLS that can be spoken.
    pub fn client_config(&self) -> io::Result<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let mut roots = platform_roots();
        roots.add_parsable_certificates(self.0.iter().cloned());
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// The settings of all TLS connections of guests.
pub(crate) struct Tls {
    roots: Roots,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    /// Trusts these authorities and the platform's.
    pub(crate) fn trusting(roots: Roots) -> Self {
        Self { roots, config: OnceLock::new() }
    }

    /// Speaks TLS with the host of this name, or address, as the guest wrote it.
    pub(super) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        handshake(Arc::clone(self.config()?), host, stream).await
    }

    /// The same, for HTTP/1.1.
    pub(crate) async fn connect_for_http(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::clone(self.config()?);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        handshake(Arc::new(config), host, stream).await
    }

    fn config(&self) -> io::Result<&Arc<ClientConfig>> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let mut config = self.roots.client_config()?;
        // A session that one guest began would tell the server that it is the same host when another one goes on with it.
        config.resumption = Resumption::disabled();
        Ok(self.config.get_or_init(|| Arc::new(config)))
    }
}

async fn handshake(config: Arc<ClientConfig>, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await
}

fn platform_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the platform's root certificates can't be read");
    }
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, ignored, "the platform's root certificates");
    roots
}
