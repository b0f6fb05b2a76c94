//! `larder:host/tls`: connections that the host makes through the gate, and secures when the guest's protocol says so. WASI 0.2 has
//! no TLS, and one that a guest brought along would bring its own list of authorities too.

mod client;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use larder_domain::network::{Host as Destination, Scheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use wasmtime::component::Resource;
use wasmtime_wasi::WasiView as _;

pub(crate) use client::Tls;
pub use client::{Roots, RootsError};

use crate::bindings::TlsFailure;
use crate::bindings::tls::{Error, Host, HostConnection};
use crate::capability::network::Closed;
use crate::data::CallData;

/// The longest that a connection may take to be there.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The longest that a handshake may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(5);
/// The longest that a server may keep a reader or a writer waiting.
const PAUSE: Duration = Duration::from_secs(30);
/// What is read at once, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024;

/// The resource `connection`.
#[expect(unreachable_pub, reason = "the generated code re-exports it")]
pub struct Connection {
    host: Destination,
    /// None once it has failed.
    stream: Option<Stream>,
    /// When the guest wants to have no more of it.
    deadline: Option<Instant>,
}

/// In the clear, or secured.
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

impl Connection {
    /// The stream, to be put back by [`Connection::keep`] if all went well: one that failed, or was waited for in vain, is closed.
    fn take(&mut self) -> Result<Stream, Error> {
        self.stream.take().ok_or_else(|| Error::Broken("the connection was closed by an earlier error".to_owned()))
    }

    /// How long to wait for the server, where the host would wait so long.
    fn wait(&self, longest: Duration) -> Duration {
        self.deadline.map_or(longest, |deadline| longest.min(deadline.saturating_duration_since(Instant::now())))
    }

    fn keep<T>(&mut self, stream: Stream, done: Result<io::Result<T>, Elapsed>) -> Result<T, TlsFailure> {
        let done = done.map_err(|_| Error::TimedOut)?.map_err(|error| Error::Broken(error.to_string()))?;
        self.stream = Some(stream);
        Ok(done)
    }
}

impl Host for CallData {
    fn convert_error(&mut self, failure: TlsFailure) -> wasmtime::Result<Error> {
        failure.downcast()
    }
}

impl HostConnection for CallData {
    async fn connect(&mut self, host: String, port: u16) -> Result<Resource<Connection>, TlsFailure> {
        let host = Destination::parse(&host).map_err(|error| Error::BadHost(error.to_string()))?;
        let stream = self.gate.connect(Scheme::Tcp, &host, port, CONNECT_WAIT).await.map_err(closed)?;
        let connection = Connection { host, stream: Some(Either::Left(stream)), deadline: None };
        self.ctx().table.push(connection).map_err(TlsFailure::trap)
    }

    async fn set_deadline(&mut self, connection: Resource<Connection>, after_ms: u32) -> wasmtime::Result<()> {
        let connection = self.ctx().table.get_mut(&connection)?;
        connection.deadline = Some(Instant::now() + Duration::from_millis(after_ms.into()));
        Ok(())
    }

    async fn start_tls(&mut self, connection: Resource<Connection>) -> Result<(), TlsFailure> {
        let tls = Arc::clone(&self.tls);
        let connection = opened(self, &connection)?;
        let stream = match connection.take()? {
            Either::Left(stream) => stream,
            secured @ Either::Right(_) => {
                connection.stream = Some(secured);
                return Ok(());
            }
        };
        let secured = timeout(connection.wait(HANDSHAKE_WAIT), tls.connect(&connection.host.to_string(), stream)).await;
        let secured = secured.map_err(|_| Error::TimedOut)?.map_err(|error| Error::Insecure(error.to_string()))?;
        connection.stream = Some(Either::Right(Box::new(secured)));
        Ok(())
    }

    async fn read(&mut self, connection: Resource<Connection>, bytes_max: u32) -> Result<Vec<u8>, TlsFailure> {
        let mut bytes = vec![0; READ_BYTES_MAX.min(bytes_max as usize)];
        let connection = opened(self, &connection)?;
        let mut stream = connection.take()?;
        let read = timeout(connection.wait(PAUSE), stream.read(&mut bytes)).await;
        let count = connection.keep(stream, read)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    async fn write(&mut self, connection: Resource<Connection>, bytes: Vec<u8>) -> Result<(), TlsFailure> {
        let connection = opened(self, &connection)?;
        let mut stream = connection.take()?;
        let write = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        let written = timeout(connection.wait(PAUSE), write).await;
        connection.keep(stream, written)
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.ctx().table.delete(connection)?;
        Ok(())
    }
}

fn opened<'a>(data: &'a mut CallData, connection: &Resource<Connection>) -> Result<&'a mut Connection, TlsFailure> {
    data.ctx().table.get_mut(connection).map_err(TlsFailure::trap)
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
