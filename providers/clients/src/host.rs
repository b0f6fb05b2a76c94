//! The host's connection as a stream, and our errors as the SDK's: what works only within a component.

use std::io::{self, Read, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use larder_sdk::Failure;
use larder_sdk::net::{self, Connection};

use crate::{Error, Stream};

/// How long to wait before a server is tried again that has no time now.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How long all the connections of a call may wait for servers together. A call may take 30 s: one that takes longer would count as the
/// provider's fault, and not as a server that has much to do.
const WAIT: Duration = Duration::from_secs(18);

/// How long a call may still wait that has used the network since `began`, if at all.
fn left(began: &OnceLock<Instant>) -> Result<Duration, net::Error> {
    let left = WAIT.saturating_sub(began.get_or_init(Instant::now).elapsed());
    if left.is_zero() { Err(net::Error::TimedOut) } else { Ok(left) }
}

/// When this call first used the network. Each call has a memory of its own.
static BEGAN: OnceLock<Instant> = OnceLock::new();

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
        left(&BEGAN)?;
        let mut connection = Connection::connect(host, port)?;
        connection.set_deadline(left(&BEGAN)?);
        Ok(Self { connection, is_secure: false })
    }

    /// The same, which waits for the server for so long from now on, and no longer; less than a call may wait.
    #[must_use]
    pub fn within(mut self, wait: Duration) -> Self {
        self.connection.set_deadline(wait);
        self
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_its_waits_before_the_host_ends_the_call() {
        let fresh = OnceLock::new();
        assert!((1..=WAIT.as_secs()).contains(&left(&fresh).unwrap().as_secs()));
        let long_ago = OnceLock::from(Instant::now().checked_sub(WAIT).unwrap());
        assert_eq!(left(&long_ago), Err(net::Error::TimedOut));
        assert!(Error::from(io::Error::from(net::Error::TimedOut)).is_transient());
    }
}
