//! What a client sends, as the program is to read it: what is packed is recognised by its first bytes, and unpacked on the way.
//!
//! Unpacking takes time, and a few bytes may become a thousand times as many. So it is done on a thread of its own, between two
//! channels of few small pieces: however much there is, only what the program takes is unpacked.

use std::io::{self, Read};
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The body of an import, as it comes. An error means that it broke off.
pub type ImportBody = Pin<Box<dyn Stream<Item = Result<Vec<u8>, BrokenBody>> + Send>>;

/// A body that broke off before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client went away")]
pub struct BrokenBody;

/// How much is unpacked at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces wait on either side of the thread.
const PIECES_MAX: usize = 2;
/// How long a body is still read of which no more is needed.
const DRAIN_WAIT: Duration = Duration::from_secs(5);
/// How many bytes tell what it is.
const MAGIC_BYTES: usize = 4;

/// Why no more comes.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoMore {
    /// The body broke off.
    #[error(transparent)]
    Broken(#[from] BrokenBody),
    /// It is not what it began as.
    #[error("the data begin as {0} and can't be unpacked: {1}")]
    Packed(Packed, io::Error),
}

/// How data can be packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    Gzip,
    Bzip2,
}

impl std::fmt::Display for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
        })
    }
}

impl Packed {
    /// By the beginning: RFC 1952, section 2.3.1, and the file format of bzip2.
    fn recognise(beginning: &[u8]) -> Option<Self> {
        match beginning {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Self::Bzip2),
            _ => None,
        }
    }
}

/// What is unpacked of a client's body.
pub(super) struct Source {
    body: ImportBody,
    form: Form,
}

enum Form {
    /// Nothing has come yet.
    Unknown,
    Plain,
    Packed {
        packed: Packed,
        /// None once the body is at its end.
        to: Option<mpsc::Sender<Vec<u8>>>,
        from: mpsc::Receiver<io::Result<Vec<u8>>>,
    },
}

impl Source {
    pub(super) fn new(body: ImportBody) -> Self {
        Self { body, form: Form::Unknown }
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, NoMore> {
        if matches!(self.form, Form::Unknown) {
            let beginning = self.beginning().await?;
            match Packed::recognise(&beginning) {
                Some(packed) => self.form = unpack(packed, beginning),
                None => {
                    self.form = Form::Plain;
                    return Ok(Some(beginning).filter(|bytes| !bytes.is_empty()));
                }
            }
        }
        let Form::Packed { packed, to, from } = &mut self.form else {
            return Ok(self.body.next().await.transpose()?);
        };
        loop {
            tokio::select! {
                biased;
                piece = from.recv() => return piece.transpose().map_err(|error| NoMore::Packed(*packed, error)),
                fed = feed(&mut self.body, to), if to.is_some() => fed?,
            }
        }
    }

    /// Reads on for a while, and keeps nothing: a client that is not listened to any more would not hear the answer.
    pub(super) async fn drain(mut self) {
        let rest = async { while let Some(Ok(_)) = self.body.next().await {} };
        let _cut_off = timeout(DRAIN_WAIT, rest).await;
    }

    /// As much as tells what it is, or all of it.
    async fn beginning(&mut self) -> Result<Vec<u8>, NoMore> {
        let mut beginning = vec![];
        while beginning.len() < MAGIC_BYTES {
            match self.body.next().await.transpose()? {
                Some(bytes) if beginning.is_empty() => beginning = bytes,
                Some(bytes) => beginning.extend_from_slice(&bytes),
                None => break,
            }
        }
        Ok(beginning)
    }
}

/// Hands the next piece of the body to the thread. Broken off, nothing is lost.
async fn feed(body: &mut ImportBody, to: &mut Option<mpsc::Sender<Vec<u8>>>) -> Result<(), NoMore> {
    let Some(Ok(place)) = (match to.as_ref() {
        Some(to) => Some(to.reserve().await),
        None => None,
    }) else {
        // The thread reads no more, and says why.
        *to = None;
        return Ok(());
    };
    match body.next().await.transpose()? {
        Some(bytes) => place.send(bytes),
        None => {
            drop(place);
            *to = None;
        }
    }
    Ok(())
}

/// A thread that unpacks what it is given.
fn unpack(packed: Packed, beginning: Vec<u8>) -> Form {
    let (to, packed_pieces) = mpsc::channel(PIECES_MAX);
    let (pieces, from) = mpsc::channel(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        let reader = Pieces { now: io::Cursor::new(beginning), pieces: packed_pieces };
        let result = match packed {
            Packed::Gzip => copy(flate2::read::MultiGzDecoder::new(reader), &pieces),
            Packed::Bzip2 => copy(bzip2::read::MultiBzDecoder::new(reader), &pieces),
        };
        if let Err(error) = result {
            let _gone = pieces.blocking_send(Err(error));
        }
    });
    Form::Packed { packed, to: Some(to), from }
}

/// Until the end, or until nobody wants more.
fn copy(mut reader: impl Read, pieces: &mpsc::Sender<io::Result<Vec<u8>>>) -> io::Result<()> {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        piece.truncate(read);
        if pieces.blocking_send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
}

/// Pieces of a channel, as one text.
struct Pieces {
    now: io::Cursor<Vec<u8>>,
    pieces: mpsc::Receiver<Vec<u8>>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.now.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.pieces.blocking_recv() {
                Some(piece) => self.now = io::Cursor::new(piece),
                None => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests;
