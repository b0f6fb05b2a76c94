//! One message of the server's, its length checked before anything is done with it. What is too long would otherwise be waited for,
//! with memory set aside.

use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{ErrorResponseBody, Message};

use crate::wire::Wire;
use crate::{Error, Refusal, Stream};

/// A kind and a length.
const HEADER_BYTES: usize = 5;
/// The length counts itself.
const LENGTH_BYTES: usize = 4;

/// The bytes of a message to the server.
pub(super) fn write(write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<BytesMut, Error> {
    let mut message = BytesMut::new();
    // What can't be written is the caller's: a zero byte in a text.
    write(&mut message).map_err(|error| Error::BadInput(error.to_string()))?;
    Ok(message)
}

/// The next message.
pub(super) fn read<S: Stream>(wire: &mut Wire<S>) -> Result<Message, Error> {
    let header = wire.exactly(HEADER_BYTES)?;
    let [_, length @ ..] = header.as_slice() else { return Err(no_message()) };
    let length = <[u8; LENGTH_BYTES]>::try_from(length).map(u32::from_be_bytes).map_err(|_| no_message())?;
    let body =
        usize::try_from(length).ok().and_then(|length| length.checked_sub(LENGTH_BYTES)).ok_or_else(no_message)?;
    let body = wire.exactly(body)?;
    let mut whole = BytesMut::with_capacity(header.len() + body.len());
    whole.extend_from_slice(&header);
    whole.extend_from_slice(&body);
    Message::parse(&mut whole).map_err(not_understood)?.ok_or_else(no_message)
}

/// What the server says with an error, and whether it ends the session by it.
pub(super) fn refusal(body: &ErrorResponseBody) -> (Refusal, bool) {
    let (mut code, mut message, mut severity) = (String::new(), String::new(), String::new());
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        let kept = match field.type_() {
            b'C' => &mut code,
            b'M' => &mut message,
            b'V' => &mut severity,
            _ => continue,
        };
        *kept = String::from_utf8_lossy(field.value_bytes()).into_owned();
    }
    (Refusal::new(&code, &message), matches!(severity.as_str(), "FATAL" | "PANIC"))
}

pub(super) fn not_understood(error: io::Error) -> Error {
    Error::protocol(error.to_string())
}

fn no_message() -> Error {
    Error::protocol("a message has no proper length")
}
