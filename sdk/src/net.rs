//! Connections that can be secured: in the clear at first, and TLS from [`Connection::start_tls`] on, as the protocol has it. The
//! host makes them and checks certificates, against the authorities that the platform and the operator trust.
//!
//! Each needs a grant `tcp://HOST:PORT`. Where no TLS is needed, [`std::net::TcpStream`] does as well.
//!
//! ```ignore
//! let mut connection = Connection::connect("db.example.com", 5432)?;
//! connection.write_all(SSL_REQUEST)?;
//! connection.start_tls()?;
//! ```

use std::fmt;
use std::io::{self, Read, Write};
use std::time::Duration;

use crate::Failure;
use crate::bindings::larder::host::tls as host;

/// What is handed to the host at once, in bytes: less than the least that an operator can allow for a host call.
const WRITE_BYTES_MAX: usize = 8 * 1024;
/// How long to wait before a server is tried again that could not be reached.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// A connection, which is closed when it is dropped. It has no buffers: put a [`std::io::BufReader`] around it.
#[derive(Debug)]
pub struct Connection(host::Connection);

/// Why there is no connection, or no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No grant permits it. The addon's history says which one is missing.
    Denied,
    /// The text is no host; why.
    BadHost(String),
    /// The name has no address, or nobody listens there.
    Unreachable(String),
    /// It took too long.
    TimedOut,
    /// The server did not prove who it is, or does not speak TLS.
    Insecure(String),
    /// The connection broke, or was closed by an earlier error.
    Broken(String),
    /// The call, or the host, has as many connections as it may have.
    TooMany,
}

impl Connection {
    /// Connects to a name, an IPv4 address or an IPv6 address in brackets, in the clear.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn connect(host: &str, port: u16) -> Result<Self, Error> {
        Ok(Self(host::Connection::connect(host, port)?))
    }

    /// Waits for the server for so long from now on, and no longer: whatever is waited for then ends with [`Error::TimedOut`].
    /// The host's own bounds on each wait, some seconds, hold in any case.
    pub fn set_deadline(&mut self, after: Duration) {
        self.0.set_deadline(u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
    }

    /// Speaks TLS from now on. The certificate must be of the host that was connected to. After an error the connection is closed.
    ///
    /// # Errors
    /// [`Error::Insecure`] and others.
    pub fn start_tls(&mut self) -> Result<(), Error> {
        Ok(self.0.start_tls()?)
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = u32::try_from(into.len()).unwrap_or(u32::MAX);
        let bytes = self.0.read(wanted).map_err(Error::from)?;
        into[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(WRITE_BYTES_MAX)];
        self.0.write(bytes).map_err(Error::from)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("the connection was not granted; the addon's history says what is missing"),
            Self::BadHost(why) => write!(f, "this is no host: {why}"),
            Self::Unreachable(why) => write!(f, "the server can't be reached: {why}"),
            Self::TimedOut => f.write_str("the server did not answer in time"),
            Self::Insecure(why) => write!(f, "the connection can't be secured: {why}"),
            Self::Broken(why) => write!(f, "the connection broke: {why}"),
            Self::TooMany => f.write_str("there are as many connections as there may be"),
        }
    }
}

impl std::error::Error for Error {}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Denied => Self::Denied,
            host::Error::BadHost(why) => Self::BadHost(why),
            host::Error::Unreachable(why) => Self::Unreachable(why),
            host::Error::TimedOut => Self::TimedOut,
            host::Error::Insecure(why) => Self::Insecure(why),
            host::Error::Broken(why) => Self::Broken(why),
            host::Error::TooMany => Self::TooMany,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Denied => io::ErrorKind::PermissionDenied,
            Error::BadHost(_) => io::ErrorKind::InvalidInput,
            Error::Unreachable(_) => io::ErrorKind::ConnectionRefused,
            Error::TimedOut => io::ErrorKind::TimedOut,
            Error::Insecure(_) => io::ErrorKind::InvalidData,
            Error::Broken(_) => io::ErrorKind::ConnectionReset,
            Error::TooMany => io::ErrorKind::QuotaExceeded,
        };
        Self::new(kind, error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        match error {
            // A server that is being started, or has too much to do, may be there in a moment.
            Error::Unreachable(_) | Error::TimedOut | Error::Broken(_) | Error::TooMany => {
                Self::retry_after(AGAIN_AFTER, reason)
            }
            Error::Denied | Error::BadHost(_) | Error::Insecure(_) => Self::failed(reason),
        }
    }
}
