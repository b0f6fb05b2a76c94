//! Packets: a length of three bytes, a number that counts them within a conversation, and what is said.

use crate::wire::Wire;
use crate::{Error, Stream};

/// The longest login or answer with everything in it, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const HEADER_BYTES: usize = 4;

/// A stream of packets.
pub(super) struct Packets<S> {
    wire: Wire<S>,
    next: u8,
}

impl<S: Stream> Packets<S> {
    pub(super) fn new(stream: S) -> Self {
        let mut wire = Wire::new(stream);
        wire.allow(ANSWER_BYTES_MAX);
        Self { wire, next: 0 }
    }

    /// Begins a conversation: a command, and its answer.
    pub(super) fn begin(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.next = 0;
        self.wire.allow(ANSWER_BYTES_MAX);
        self.write(payload)
    }

    pub(super) fn write(&mut self, payload: &[u8]) -> Result<(), Error> {
        let length = u32::try_from(payload.len()).ok().filter(|length| *length < 0x00ff_ffff);
        let [low, middle, high, _] =
            length.ok_or_else(|| Error::BadInput("this is too long to be said".to_owned()))?.to_le_bytes();
        let message = [&[low, middle, high, self.next], payload].concat();
        self.next = self.next.wrapping_add(1);
        self.wire.send(&message)
    }

    /// The next packet. One that needs a continuation is longer than an answer may be.
    pub(super) fn read(&mut self) -> Result<Vec<u8>, Error> {
        let header = self.wire.exactly(HEADER_BYTES)?;
        let [low, middle, high, number] = header.as_slice() else {
            return Err(Error::protocol("a packet is too short"));
        };
        if *number != self.next {
            return Err(Error::protocol("packets are out of order"));
        }
        self.next = self.next.wrapping_add(1);
        let length = [*low, *middle, *high].iter().rev().fold(0, |length, byte| (length << 8) | usize::from(*byte));
        self.wire.exactly(length)
    }

    pub(super) fn start_tls(&mut self) -> Result<(), Error> {
        self.wire.start_tls()
    }

    pub(super) fn is_secure(&self) -> bool {
        self.wire.is_secure()
    }

    pub(super) fn settle<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.wire.settle(result)
    }
}
