//! Where an engine listens, and how a connection to it is opened.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use http::uri::Authority;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::tls::Tls;

/// A peer that says nothing for so long is asked by the kernel whether it is there …
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// … so often …
const KEEPALIVE_PROBES: u32 = 3;
/// … and at such distances, before the connection counts as broken.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// A text that names no place where an engine could listen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no endpoint of a Docker engine: use unix:///path/of/docker.sock or tcp://host:port")]
pub struct BadEndpoint(String);

/// Where an engine listens.
#[derive(Debug, Clone)]
pub(crate) enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A host and a port, without TLS.
    Tcp(Authority),
    /// A host and a port, with TLS.
    Tls(Authority, Tls),
}

/// A connection of any kind.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Connection for T {}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let parsed = match text.split_once("://") {
            Some(("unix", path)) if Path::new(path).is_absolute() && !path.contains('\0') => {
                Some(Self::Unix(path.into()))
            }
            Some(("tcp", host)) => host.parse().ok().filter(is_host_and_port).map(Self::Tcp),
            _ => None,
        };
        parsed.ok_or_else(|| BadEndpoint(text.chars().take(200).collect()))
    }
}

fn is_host_and_port(authority: &Authority) -> bool {
    let has_port = authority.port_u16().is_some_and(|port| port > 0);
    has_port && !authority.host().is_empty() && !authority.as_str().contains('@')
}

impl Endpoint {
    /// The value of the `Host` header.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Unix(_) => "localhost",
            Self::Tcp(authority) | Self::Tls(authority, _) => authority.as_str(),
        }
    }

    /// The same, with TLS. A socket in the file system is this machine's, and has none.
    pub(crate) fn secured(self, tls: Tls) -> Self {
        match self {
            Self::Unix(_) => self,
            Self::Tcp(authority) | Self::Tls(authority, _) => Self::Tls(authority, tls),
        }
    }

    /// Whether it is on this machine, and nobody else's hands are between.
    pub(crate) fn is_local(&self) -> bool {
        match self.authority() {
            None => true,
            Some("localhost") => true,
            Some(host) => host.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        }
    }

    /// The name or address of the machine that it names; none for a socket in the file system.
    pub(crate) fn authority(&self) -> Option<&str> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(authority) | Self::Tls(authority, _) => Some(authority.host().trim_matches(['[', ']'])),
        }
    }

    /// Opens a connection.
    pub(crate) async fn open(&self) -> io::Result<Pin<Box<dyn Connection>>> {
        match self {
            Self::Unix(path) => Ok(Box::pin(UnixStream::connect(path).await?)),
            Self::Tcp(authority) => Ok(Box::pin(connect(authority).await?)),
            Self::Tls(authority, tls) => Ok(Box::pin(tls.connect(authority.host(), connect(authority).await?).await?)),
        }
    }
}

async fn connect(authority: &Authority) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(authority.as_str()).await?;
    stream.set_nodelay(true)?;
    notice_absence(&stream)?;
    Ok(stream)
}

/// Events may be silent for hours; without this, the silence of a machine that is gone would be no different.
fn notice_absence(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    Ok(())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(authority) | Self::Tls(authority, _) => write!(f, "tcp://{authority}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_strictly() {
        for good in ["unix:///run/docker.sock", "tcp://localhost:2375", "tcp://10.0.0.1:1", "tcp://[::1]:2375"] {
            assert_eq!(good.parse::<Endpoint>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "unix://",
            "unix://run/docker.sock",
            "/run/docker.sock",
            "tcp://localhost",
            "tcp://:1",
            "tcp://h:0",
            "tcp://h:65536",
            "tcp://u@h:1",
            "tcp://h:1/path",
            "http://h:1",
            "tcp://h:1?x",
            "unix:///a\0b",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn loopback_is_this_machine() {
        for (place, is_local) in [
            ("unix:///run/docker.sock", true),
            ("tcp://localhost:2375", true),
            ("tcp://127.3.2.1:2375", true),
            ("tcp://[::1]:2375", true),
            ("tcp://10.0.0.1:2375", false),
            ("tcp://[fd00::1]:2375", false),
            ("tcp://localhost.example.com:2375", false),
            ("tcp://127.0.0.1.example.com:2375", false),
        ] {
            assert_eq!(place.parse::<Endpoint>().unwrap().is_local(), is_local, "{place}");
        }
    }
}
