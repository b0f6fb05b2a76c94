//! Reading a packet from left to right. What isn't there is an error and not a panic.

use crate::{Error, Refusal};

/// What is left of a packet.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(too_short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        self.number(1).map(|number| number.to_le_bytes()[0])
    }

    pub(super) fn two(&mut self) -> Result<u16, Error> {
        let [low, high, ..] = self.number(2)?.to_le_bytes();
        Ok(u16::from_le_bytes([low, high]))
    }

    /// A number of so many bytes, eight at most, the lowest first.
    fn number(&mut self, bytes: usize) -> Result<u64, Error> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// A number that says itself how long it is; none for null.
    pub(super) fn length(&mut self) -> Result<Option<usize>, Error> {
        let number = match self.byte()? {
            0xfb => return Ok(None),
            0xfc => self.number(2)?,
            0xfd => self.number(3)?,
            0xfe => self.number(8)?,
            0xff => return Err(Error::protocol("a length is none")),
            small => u64::from(small),
        };
        usize::try_from(number).map(Some).map_err(|_| too_short())
    }

    /// A text with its length before it; none for null.
    pub(super) fn text(&mut self) -> Result<Option<String>, Error> {
        let Some(length) = self.length()? else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(self.take(length)?).into_owned()))
    }

    /// A text until a zero byte or the end.
    pub(super) fn until_zero(&mut self) -> String {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest.get(1..).unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// What is left, as an error of the server's.
    pub(super) fn refusal(&mut self) -> Result<Error, Error> {
        let code = self.two()?.to_string();
        // The SQLSTATE. It says less than the number.
        if self.0.first() == Some(&b'#') {
            self.take(6)?;
        }
        Ok(Error::Refused(Refusal::new(&code, &String::from_utf8_lossy(self.0))))
    }
}

fn too_short() -> Error {
    Error::protocol("a packet is too short")
}
