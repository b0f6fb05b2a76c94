//! Bytes from and to a server, under a budget: whatever lengths a server announces, a reply takes so much memory and no more.

use std::io;

use crate::{Error, Stream};

/// What is read at once, in bytes.
const READ_BYTES: usize = 4 * 1024;

/// A stream, what was read of it in advance, and how much of a reply may still come.
pub(crate) struct Wire<S> {
    stream: S,
    received: Vec<u8>,
    used: usize,
    left: usize,
    is_broken: bool,
}

impl<S: Stream> Wire<S> {
    /// Nothing may be read before [`Self::allow`].
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, received: vec![], used: 0, left: 0, is_broken: false }
    }

    /// The next reply may have so many bytes.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.left = bytes;
    }

    /// Sends all of it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.is_broken {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the session ended by an earlier error").into());
        }
        self.stream.write_all(bytes)?;
        Ok(self.stream.flush()?)
    }

    /// Exactly so many bytes.
    pub(crate) fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Error> {
        if count > self.left {
            return Err(Error::protocol("the reply is too long"));
        }
        while self.ahead().len() < count {
            self.fill()?;
        }
        Ok(self.take(count))
    }

    /// A line, without the line feed that ends it.
    pub(crate) fn line(&mut self) -> Result<Vec<u8>, Error> {
        let mut looked = 0;
        loop {
            if let Some(at) = self.ahead().iter().take(self.left).skip(looked).position(|byte| *byte == b'\n') {
                let mut line = self.take(looked + at + 1);
                line.pop();
                return Ok(line);
            }
            looked = self.ahead().len();
            if looked >= self.left {
                return Err(Error::protocol("the reply is too long"));
            }
            self.fill()?;
        }
    }

    /// How many bytes of the reply may still come.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Secures the stream. What came before that is not the server's for sure, so there must be nothing.
    pub(crate) fn start_tls(&mut self) -> Result<(), Error> {
        if !self.ahead().is_empty() {
            return Err(Error::Insecure("somebody spoke before the connection was secured".to_owned()));
        }
        Ok(self.stream.start_tls()?)
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.stream.is_secure()
    }

    /// Notes an error after which question and answer no longer go together.
    pub(crate) fn settle<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.is_broken |= error.ends_session();
        }
        result
    }

    /// Ends the session: the server is about to close it.
    pub(crate) fn end(&mut self) {
        self.is_broken = true;
    }

    fn ahead(&self) -> &[u8] {
        self.received.get(self.used..).unwrap_or_default()
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.ahead().get(..count).unwrap_or_default().to_vec();
        self.used += taken.len();
        self.left = self.left.saturating_sub(taken.len());
        taken
    }

    fn fill(&mut self) -> Result<(), Error> {
        self.received.drain(..self.used);
        self.used = 0;
        let mut more = [0; READ_BYTES];
        let count = loop {
            match self.stream.read(&mut more) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has closed the connection").into());
        }
        self.received.extend_from_slice(more.get(..count).unwrap_or_default());
        Ok(())
    }
}
