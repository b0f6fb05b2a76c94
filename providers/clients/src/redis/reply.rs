//! A reply in RESP2, as values. The server says how long each is; it is believed only as far as the budget goes.

use crate::wire::Wire;
use crate::{Error, Refusal, Stream};

/// How deep arrays may lie within each other.
const DEPTH_MAX: usize = 8;
/// How many values a reply may have.
const VALUES_MAX: usize = 64 * 1024;
/// A value takes no fewer bytes than this.
const VALUE_BYTES_MIN: usize = 3;

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// A short answer, such as `OK`.
    Simple(String),
    /// An error within an array; one that is the whole answer becomes [`Error::Refused`].
    Error(Refusal),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Several values.
    Array(Vec<Value>),
}

impl Value {
    /// A text, whichever way it was said.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Simple(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// A number.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

/// Reads a whole reply.
pub(super) fn read<S: Stream>(wire: &mut Wire<S>) -> Result<Value, Error> {
    value(wire, DEPTH_MAX, &mut VALUES_MAX.clone())
}

fn value<S: Stream>(wire: &mut Wire<S>, depth: usize, values: &mut usize) -> Result<Value, Error> {
    *values = values.checked_sub(1).ok_or_else(too_long)?;
    let line = wire.line()?;
    let Some((kind, rest)) = line.strip_suffix(b"\r").and_then(<[u8]>::split_first) else {
        return Err(Error::protocol("a line is empty, or has no end"));
    };
    let text = || String::from_utf8_lossy(rest).into_owned();
    match kind {
        b'+' => Ok(Value::Simple(text())),
        b'-' => Ok(Value::Error(refusal(&text()))),
        b':' => Ok(Value::Integer(number(rest)?)),
        b'$' => match count(rest)? {
            None => Ok(Value::Nil),
            Some(length) => bytes(wire, length),
        },
        b'*' => match count(rest)? {
            None => Ok(Value::Nil),
            Some(length) if length > wire.left() / VALUE_BYTES_MIN || length > *values => Err(too_long()),
            Some(length) => {
                let depth = depth.checked_sub(1).ok_or_else(|| Error::protocol("the reply is nested too deeply"))?;
                (0..length).map(|_| value(wire, depth, values)).collect::<Result<_, _>>().map(Value::Array)
            }
        },
        _ => Err(Error::protocol("this is no Redis")),
    }
}

fn bytes<S: Stream>(wire: &mut Wire<S>, length: usize) -> Result<Value, Error> {
    let with_end = length.checked_add(2).ok_or_else(too_long)?;
    let mut bytes = wire.exactly(with_end)?;
    if !bytes.ends_with(b"\r\n") {
        return Err(Error::protocol("bytes go on where they should end"));
    }
    bytes.truncate(length);
    Ok(Value::Bytes(bytes))
}

/// A length; -1 stands for nothing at all.
fn count(digits: &[u8]) -> Result<Option<usize>, Error> {
    match number(digits)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| too_long()),
    }
}

fn number(digits: &[u8]) -> Result<i64, Error> {
    let text = std::str::from_utf8(digits).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Error::protocol("a number is none"))
}

fn refusal(text: &str) -> Refusal {
    let (code, message) = text.split_once(' ').unwrap_or((text, ""));
    Refusal::new(code, message)
}

fn too_long() -> Error {
    Error::protocol("the reply is too long")
}
