//! Reads a backup piece by piece, from whatever comes: a file, a pipe, an answer over HTTP. It is whole, or it is refused.

use std::io;

use sha2::{Digest as _, Sha256};

use super::format::{
    FORMAT, HEADER_BYTES_MAX, Header, LEAD_BYTES, MAGIC, Part, SEALED_SUM_BYTES, SMALL_PART_BYTES_MAX, SUM_BYTES,
};
use super::{DATABASE, SHIPPED, TOKEN};

/// Why something is no backup that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// It begins otherwise.
    #[error("this is no backup of Larder's")]
    Foreign,
    /// A format of later.
    #[error("the backup has format {0}, and this version knows {FORMAT}")]
    Newer(u8),
    /// It ends too early.
    #[error("the backup is cut off after {0} bytes")]
    Truncated(u64),
    /// Something else than what was written stands in it.
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
    /// What was read could not be kept.
    #[error("what is in the backup could not be written: {0}")]
    Unwritable(#[source] io::Error),
}

/// A backup that came whole.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) header: Header,
    /// The sum over everything before it, which fits.
    pub(crate) sum: [u8; SUM_BYTES],
    /// The same, sealed.
    pub(super) sealed_sum: Vec<u8>,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    Lead,
    Header(usize),
    /// A part, and how much of it is still to come.
    Part(usize, u64),
    End,
}

/// How far a backup was read.
#[derive(Debug)]
pub(crate) struct Parser {
    next: Next,
    /// Of what has to be there as a whole.
    kept: Vec<u8>,
    summed: Sha256,
    header: Option<Header>,
    bytes: u64,
}

impl Parser {
    pub(crate) fn new() -> Self {
        Self { next: Next::Lead, kept: Vec::new(), summed: Sha256::new(), header: None, bytes: 0 }
    }

    /// Takes the next piece, and hands on what it has of the parts.
    pub(crate) fn push(
        &mut self,
        mut piece: &[u8],
        take: &mut dyn FnMut(&Part, &[u8]) -> io::Result<()>,
    ) -> Result<(), Broken> {
        self.bytes += piece.len() as u64;
        while !piece.is_empty() {
            piece = match self.next {
                Next::Lead => self.lead(piece)?,
                Next::Header(bytes) => self.header(piece, bytes)?,
                Next::Part(at, left) => self.part(piece, at, left, take)?,
                Next::End => self.tail(piece)?,
            };
        }
        Ok(())
    }

    /// There is nothing more to come.
    pub(crate) fn end(self) -> Result<Whole, Broken> {
        if self.bytes < LEAD_BYTES as u64 && !MAGIC.starts_with(&self.kept[..self.kept.len().min(MAGIC.len())]) {
            return Err(Broken::Foreign);
        }
        let truncated = Broken::Truncated(self.bytes);
        let (Next::End, Some(header)) = (self.next, self.header) else { return Err(truncated) };
        let Some((sum, sealed_sum)) = self.kept.split_first_chunk::<SUM_BYTES>() else { return Err(truncated) };
        if sealed_sum.len() < SEALED_SUM_BYTES {
            return Err(truncated);
        }
        let summed: [u8; SUM_BYTES] = self.summed.finalize().into();
        if summed != *sum {
            return Err(Broken::Damaged("its checksum does not fit"));
        }
        Ok(Whole { header, sum: summed, sealed_sum: sealed_sum.to_vec() })
    }

    /// Keeps bytes until there are so many. What is left of the piece, and all of them once they are there.
    fn keep<'a>(&mut self, piece: &'a [u8], bytes: usize) -> (&'a [u8], Option<Vec<u8>>) {
        let (now, later) = piece.split_at(piece.len().min(bytes - self.kept.len()));
        self.kept.extend_from_slice(now);
        (later, (self.kept.len() == bytes).then(|| std::mem::take(&mut self.kept)))
    }

    fn lead<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], Broken> {
        let (rest, lead) = self.keep(piece, LEAD_BYTES);
        let Some(lead) = lead else { return Ok(rest) };
        let Some((&[format, a, b, c, d], _)) = lead.strip_prefix(MAGIC).and_then(<[u8]>::split_first_chunk::<5>) else {
            return Err(Broken::Foreign);
        };
        if format != FORMAT {
            return Err(if format > FORMAT { Broken::Newer(format) } else { Broken::Damaged("its format is none") });
        }
        let bytes = u32::from_le_bytes([a, b, c, d]) as usize;
        if !(1..=HEADER_BYTES_MAX).contains(&bytes) {
            return Err(Broken::Damaged("its header has no length that one can have"));
        }
        self.summed.update(&lead);
        self.next = Next::Header(bytes);
        Ok(rest)
    }

    fn header<'a>(&mut self, piece: &'a [u8], bytes: usize) -> Result<&'a [u8], Broken> {
        let (rest, json) = self.keep(piece, bytes);
        let Some(json) = json else { return Ok(rest) };
        let header: Header = serde_json::from_slice(&json).map_err(|_| Broken::Damaged("its header can't be read"))?;
        check_parts(&header.parts)?;
        self.summed.update(&json);
        self.next = after(&header.parts, 0);
        self.header = Some(header);
        Ok(rest)
    }

    fn part<'a>(
        &mut self,
        piece: &'a [u8],
        at: usize,
        left: u64,
        take: &mut dyn FnMut(&Part, &[u8]) -> io::Result<()>,
    ) -> Result<&'a [u8], Broken> {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let (now, rest) = piece.split_at(now);
        self.summed.update(now);
        let parts = self.header.as_ref().map(|header| &header.parts[..]).unwrap_or_default();
        if let Some(part) = parts.get(at) {
            take(part, now).map_err(Broken::Unwritable)?;
        }
        self.next = match left - now.len() as u64 {
            0 => after(parts, at + 1),
            left => Next::Part(at, left),
        };
        Ok(rest)
    }

    fn tail<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], Broken> {
        if self.kept.len() + piece.len() > SUM_BYTES + SEALED_SUM_BYTES {
            return Err(Broken::Damaged("something follows its end"));
        }
        self.kept.extend_from_slice(piece);
        Ok(&[])
    }
}

/// What comes when the parts before this one are there. One without bytes is skipped: whoever wants it makes it.
fn after(parts: &[Part], at: usize) -> Next {
    let next = parts.iter().enumerate().skip(at).find(|(_, part)| part.bytes > 0);
    next.map_or(Next::End, |(at, part)| Next::Part(at, part.bytes))
}

/// Only what this version knows to put somewhere, each once, the database among it.
fn check_parts(parts: &[Part]) -> Result<(), Broken> {
    let fits = |part: &Part| match part.name.as_str() {
        // Far less than what the numbers of a file can hold.
        DATABASE => part.bytes > 0 && part.bytes < 1 << 56,
        TOKEN | SHIPPED => part.bytes <= SMALL_PART_BYTES_MAX,
        _ => false,
    };
    let is_once = |part: &Part| parts.iter().filter(|other| other.name == part.name).count() == 1;
    let has_database = parts.iter().any(|part| part.name == DATABASE);
    if has_database && parts.iter().all(|part| fits(part) && is_once(part)) {
        return Ok(());
    }
    Err(Broken::Damaged("its header names files that it can't have"))
}
