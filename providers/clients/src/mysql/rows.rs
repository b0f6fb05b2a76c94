//! What a statement gives.

use super::bytes::Bytes;
use super::packets::Packets;
use crate::{Error, Rows, Stream};

const OK: u8 = 0x00;
const NO_MORE: u8 = 0xfe;
const ERROR: u8 = 0xff;
/// A packet that begins with [`NO_MORE`] and is longer than this is a row.
const NO_MORE_BYTES_MAX: usize = 8;
const COLUMNS_MAX: usize = 4096;
const STATUS_MORE_RESULTS: u16 = 0x0008;

/// Reads the whole answer; the number is the session's status.
pub(super) fn read<S: Stream>(packets: &mut Packets<S>) -> Result<(Rows, u16), Error> {
    let first = packets.read()?;
    let mut bytes = Bytes(&first);
    if first.first() == Some(&OK) {
        let _ok = bytes.byte()?;
        let (_affected, _inserted) = (bytes.length()?, bytes.length()?);
        return finish(Rows::default(), bytes.two()?);
    }
    if first.first() == Some(&ERROR) {
        let _error = bytes.byte()?;
        return Err(bytes.refusal()?);
    }
    // Null instead of a number: the server wants a file.
    let columns = bytes.length()?.filter(|columns| (1..=COLUMNS_MAX).contains(columns)).ok_or_else(no_answer)?;
    for _ in 0..columns {
        let _about_it = packets.read()?;
    }
    if end(&packets.read()?)?.is_none() {
        return Err(no_answer());
    }
    let mut rows = Rows::default();
    loop {
        let packet = packets.read()?;
        if let Some(status) = end(&packet)? {
            return finish(rows, status);
        }
        let mut bytes = Bytes(&packet);
        rows.push((0..columns).map(|_| bytes.text()).collect::<Result<_, _>>()?)?;
    }
}

/// The status, if there is no more. An error says so, too.
fn end(packet: &[u8]) -> Result<Option<u16>, Error> {
    let mut bytes = Bytes(packet);
    match bytes.byte()? {
        ERROR => Err(bytes.refusal()?),
        NO_MORE if packet.len() <= NO_MORE_BYTES_MAX => {
            let _warnings = bytes.two()?;
            bytes.two().map(Some)
        }
        _ => Ok(None),
    }
}

fn finish(rows: Rows, status: u16) -> Result<(Rows, u16), Error> {
    // We have not asked for several.
    if status & STATUS_MORE_RESULTS != 0 { Err(no_answer()) } else { Ok((rows, status)) }
}

fn no_answer() -> Error {
    Error::protocol("a packet is no answer to a statement")
}
