//! The host's connection as a stream, and our errors as the SDK's: what works only within a component.

use std::io::{self, Read, Write};
use std::time::Duration;

use larder_sdk::Failure;
use larder_sdk::net::{self, Connection};

use crate::{Error, Stream};

/// How long to wait before a server is tried again that has no time now.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// A connection that the host made, and secures when it is asked to. It needs a grant `tcp://HOST:PORT`.
#[derive(Debug)]
pub struct HostStream {
    connection: Connection,
    is_secure: bool,
}

impl HostStream {
    /// Connects in the clear.
    ///
    /// # Errors
    /// See [`net::Error`].
    pub fn connect(host: &str, port: u16) -> Result<Self, net::Error> {
        Ok(Self { connection: Connection::connect(host, port)?, is_secure: false })
    }
}

impl Stream for HostStream {
    fn start_tls(&mut self) -> io::Result<()> {
        self.connection.start_tls()?;
        self.is_secure = true;
        Ok(())
    }

    fn is_secure(&self) -> bool {
        self.is_secure
    }
}

impl Read for HostStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.connection.read(into)
    }
}

impl Write for HostStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        if error.is_transient() { Self::retry_after(AGAIN_AFTER, reason) } else { Self::failed(reason) }
    }
}
