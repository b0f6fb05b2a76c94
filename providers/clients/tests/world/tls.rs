//! Connections that are secured after a few words in the clear, as the host does it, and certificates for the servers.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use larder_clients::Stream;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A certificate of `127.0.0.1`, and its key.
pub(crate) struct Certified {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Makes a certificate that vouches for itself.
pub(crate) fn certify(dir: &Path) -> Certified {
    let made = Certified { certificate: dir.join("server.pem"), key: dir.join("server.key") };
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(&made.certificate, certificate.pem()).unwrap();
    fs::write(&made.key, key.serialize_pem()).unwrap();
    // Servers insist that nobody else may read it.
    fs::set_permissions(&made.key, fs::Permissions::from_mode(0o600)).unwrap();
    made
}

/// A connection in the clear that can be secured.
pub(crate) enum Upgradable {
    Clear(TcpStream, Arc<ClientConfig>),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
    Broken,
}

impl Upgradable {
    pub(crate) fn new(stream: TcpStream, dir: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(dir.join("server.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Self::Clear(stream, Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }
}

impl Stream for Upgradable {
    fn start_tls(&mut self) -> io::Result<()> {
        let Self::Clear(mut stream, config) = std::mem::replace(self, Self::Broken) else { panic!("secured twice") };
        let name = IpAddr::V4(Ipv4Addr::LOCALHOST).into();
        let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        connection.complete_io(&mut stream)?;
        *self = Self::Secure(Box::new(StreamOwned::new(connection, stream)));
        Ok(())
    }

    fn is_secure(&self) -> bool {
        matches!(self, Self::Secure(_))
    }
}

impl Read for Upgradable {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream, _) => stream.read(into),
            Self::Secure(stream) => stream.read(into),
            Self::Broken => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Write for Upgradable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream, _) => stream.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
            Self::Broken => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Secure(stream) => stream.flush(),
            _ => Ok(()),
        }
    }
}
