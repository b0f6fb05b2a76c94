//! `larder:host/tls`: connections that the host makes through the gate, and secures when the guest's protocol says so. WASI 0.2 has
//! no TLS, and one that a guest brought along would bring its own list of authorities too.

mod client;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use larder_domain::network::{Host as Destination, Scheme};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use wasmtime::component::{Resource, ResourceTable};

pub(crate) use client::Tls;
pub use client::{Roots, RootsError};

use crate::bindings::TlsFailure;
use crate::bindings::tls::{Error, Host, HostConnection};
use crate::capability::network::{Closed, Gate};

/// The longest that a connection may take to be there.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The longest that a handshake may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(5);
/// The longest that a server may keep a reader or a writer waiting.
const PAUSE: Duration = Duration::from_secs(30);
/// What is read at once, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024;

/// A call's connections. The gate counts them.
pub(crate) struct CallTls {
    gate: Gate,
    tls: Arc<Tls>,
    open: ResourceTable,
}

/// The resource `connection`.
#[expect(unreachable_pub, reason = "the generated code re-exports it")]
pub struct Connection {
    host: Destination,
    /// None once it has failed.
    stream: Option<Stream>,
}

enum Stream {
    Plain(TcpStream),
    Secured(Box<dyn Duplex>),
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Stream {
    fn duplex(&mut self) -> &mut dyn Duplex {
        match self {
            Self::Plain(stream) => stream,
            Self::Secured(stream) => stream,
        }
    }
}

impl CallTls {
    /// None yet.
    pub(crate) fn new(gate: Gate, tls: Arc<Tls>) -> Self {
        Self { gate, tls, open: ResourceTable::new() }
    }

    fn get(&mut self, connection: &Resource<Connection>) -> Result<&mut Connection, TlsFailure> {
        self.open.get_mut(connection).map_err(TlsFailure::trap)
    }
}

impl Connection {
    /// The stream, to be put back by [`Connection::keep`] if all went well: one that failed, or was waited for in vain, is closed.
    fn take(&mut self) -> Result<Stream, Error> {
        self.stream.take().ok_or_else(closed_before)
    }

    fn keep<T>(&mut self, stream: Stream, done: Result<io::Result<T>, Elapsed>) -> Result<T, TlsFailure> {
        let done = done.map_err(|_| Error::TimedOut)?.map_err(|error| Error::Broken(error.to_string()))?;
        self.stream = Some(stream);
        Ok(done)
    }
}

impl Host for CallTls {
    fn convert_error(&mut self, failure: TlsFailure) -> wasmtime::Result<Error> {
        failure.downcast()
    }
}

impl HostConnection for CallTls {
    async fn connect(&mut self, host: String, port: u16) -> Result<Resource<Connection>, TlsFailure> {
        let host = Destination::parse(&host).map_err(|error| Error::BadHost(error.to_string()))?;
        let stream = self.gate.connect(Scheme::Tcp, &host, port, CONNECT_WAIT).await.map_err(closed)?;
        let connection = Connection { host, stream: Some(Stream::Plain(stream)) };
        self.open.push(connection).map_err(TlsFailure::trap)
    }

    async fn start_tls(&mut self, connection: Resource<Connection>) -> Result<(), TlsFailure> {
        let tls = Arc::clone(&self.tls);
        let connection = self.get(&connection)?;
        let stream = match connection.stream.take() {
            Some(Stream::Plain(stream)) => stream,
            Some(secured) => {
                connection.stream = Some(secured);
                return Ok(());
            }
            None => return Err(closed_before().into()),
        };
        let secured = timeout(HANDSHAKE_WAIT, tls.connect(&connection.host.to_string(), stream)).await;
        let secured = secured.map_err(|_| Error::TimedOut)?.map_err(|error| Error::Insecure(error.to_string()))?;
        connection.stream = Some(Stream::Secured(Box::new(secured)));
        Ok(())
    }

    async fn read(&mut self, connection: Resource<Connection>, bytes_max: u32) -> Result<Vec<u8>, TlsFailure> {
        let mut bytes = vec![0; READ_BYTES_MAX.min(bytes_max as usize)];
        let connection = self.get(&connection)?;
        let mut stream = connection.take()?;
        let read = timeout(PAUSE, stream.duplex().read(&mut bytes)).await;
        let count = connection.keep(stream, read)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    async fn write(&mut self, connection: Resource<Connection>, bytes: Vec<u8>) -> Result<(), TlsFailure> {
        let connection = self.get(&connection)?;
        let mut stream = connection.take()?;
        let write = async {
            stream.duplex().write_all(&bytes).await?;
            stream.duplex().flush().await
        };
        let written = timeout(PAUSE, write).await;
        connection.keep(stream, written)
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.open.delete(connection)?;
        Ok(())
    }
}

fn closed_before() -> Error {
    Error::Broken("the connection was closed by an earlier error".to_owned())
}

fn closed(closed: Closed) -> Error {
    match closed {
        Closed::Denied | Closed::AddressDenied => Error::Denied,
        Closed::TooMany => Error::TooMany,
        Closed::Unknown => Error::Unreachable("the name has no address".to_owned()),
        Closed::TimedOut => Error::TimedOut,
        Closed::Failed(error) => Error::Unreachable(error.to_string()),
    }
}
