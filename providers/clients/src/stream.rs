//! What a client speaks over. TLS begins somewhere within most of these protocols, so a stream can be asked for it later.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// A connection to a server.
pub trait Stream: Read + Write {
    /// Speaks TLS from now on. After an error the stream is of no use.
    ///
    /// # Errors
    /// The server did not prove who it is, or this stream has no TLS.
    fn start_tls(&mut self) -> io::Result<()>;

    /// Whether it speaks TLS, so that a password may be said as it is.
    fn is_secure(&self) -> bool;
}

/// In the clear for ever.
impl Stream for TcpStream {
    fn start_tls(&mut self) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a plain socket has no TLS"))
    }

    fn is_secure(&self) -> bool {
        false
    }
}

impl<S: Stream + ?Sized> Stream for &mut S {
    fn start_tls(&mut self) -> io::Result<()> {
        (**self).start_tls()
    }

    fn is_secure(&self) -> bool {
        (**self).is_secure()
    }
}

impl<S: Stream + ?Sized> Stream for Box<S> {
    fn start_tls(&mut self) -> io::Result<()> {
        (**self).start_tls()
    }

    fn is_secure(&self) -> bool {
        (**self).is_secure()
    }
}
