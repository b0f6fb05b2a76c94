//! Servers without a network: each test says what its server answers to what it is told.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use crate::Stream;

type Server<'a> = Box<dyn FnMut(&[u8], bool) -> Vec<u8> + 'a>;

/// The client's end of a connection to a scripted server.
pub(crate) struct Peer<'a> {
    server: Server<'a>,
    said: VecDeque<u8>,
    /// At most so many bytes are given at once.
    pub(crate) portion: usize,
    pub(crate) has_tls: bool,
    pub(crate) is_secure: bool,
}

impl<'a> Peer<'a> {
    /// A server that first says `greeting`, and then answers each message. It is told whether the connection is secured.
    pub(crate) fn new(greeting: &[u8], server: impl FnMut(&[u8], bool) -> Vec<u8> + 'a) -> Self {
        let said = greeting.iter().copied().collect();
        Self { server: Box::new(server), said, portion: usize::MAX, has_tls: false, is_secure: false }
    }

    /// A server that says this, whatever it is told, and closes.
    pub(crate) fn saying(bytes: &[u8]) -> Self {
        Self::new(bytes, |_, _| vec![])
    }

    /// A server that gives these answers in turn.
    pub(crate) fn answering(greeting: &[u8], answers: Vec<Vec<u8>>) -> Self {
        let mut answers = VecDeque::from(answers);
        Self::new(greeting, move |_, _| answers.pop_front().unwrap_or_default())
    }
}

impl Read for Peer<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = into.len().min(self.portion);
        self.said.read(&mut into[..count])
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let answer = (self.server)(bytes, self.is_secure);
        self.said.extend(answer);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Peer<'_> {
    fn start_tls(&mut self) -> io::Result<()> {
        if !self.has_tls {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no TLS here"));
        }
        self.is_secure = true;
        Ok(())
    }

    fn is_secure(&self) -> bool {
        self.is_secure
    }
}

/// Hands over many strings of bytes, the same in every run: truncations of `valid`, `valid` with a few bytes changed, and noise.
pub(crate) fn for_garbage(valid: &[u8], mut check: impl FnMut(&[u8])) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for end in 0..valid.len() {
        check(&valid[..end]);
    }
    for _ in 0..4000 {
        let mut bytes = valid.to_vec();
        for _ in 0..=random(4) {
            if !bytes.is_empty() {
                let at = random(bytes.len());
                bytes[at] = [0, 1, 0x7f, 0x80, 0xfb, 0xfe, 0xff, random(256) as u8][random(8)];
            }
        }
        check(&bytes);
        let noise: Vec<u8> = (0..random(64)).map(|_| random(256) as u8).collect();
        check(&noise);
        // A valid beginning, and then anything.
        let mut tail = valid[..random(valid.len())].to_vec();
        tail.extend(noise);
        check(&tail);
    }
}
