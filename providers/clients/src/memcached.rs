//! memcached: whether one is there. It has no users, so there is nothing to administer.

use crate::wire::Wire;
use crate::{Error, Refusal, Stream};

/// The longest answer, in bytes.
const LINE_BYTES_MAX: usize = 256;

/// Which version answers.
///
/// # Errors
/// Nobody answers, or it is no memcached.
pub fn version(stream: impl Stream) -> Result<String, Error> {
    let mut wire = Wire::new(stream);
    wire.allow(LINE_BYTES_MAX);
    wire.send(b"version\r\n")?;
    let line = String::from_utf8_lossy(&wire.line()?).trim_end().to_owned();
    match line.split_once(' ') {
        Some(("VERSION", version)) => Ok(Refusal::new("", version).message),
        Some((code @ ("CLIENT_ERROR" | "SERVER_ERROR"), message)) => Err(Error::Refused(Refusal::new(code, message))),
        _ if line == "ERROR" => Err(Error::Refused(Refusal::new("ERROR", "the server has no such command"))),
        _ => Err(Error::protocol("this is no memcached")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, for_garbage};

    #[test]
    fn the_version_is_told() {
        assert_eq!(version(Peer::saying(b"VERSION 1.6.18\r\n")).unwrap(), "1.6.18");
    }

    #[test]
    fn whatever_else_answers_is_an_error() {
        for said in [&b"ERROR\r\n"[..], b"SERVER_ERROR busy\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"VERSION 1", b""] {
            assert!(version(Peer::saying(said)).is_err(), "{said:?}");
        }
        let endless = [b'x'; 100_000];
        assert!(matches!(version(Peer::saying(&endless)), Err(Error::Protocol(_))));
    }

    #[test]
    fn garbage_is_an_error_and_no_panic() {
        for_garbage(b"VERSION 1.6.18\r\n", |bytes| {
            let _whatever = version(Peer::saying(bytes));
        });
    }
}
