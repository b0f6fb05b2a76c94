//! Receiving components: into files without names, so that clients which take their time take no memory, and nothing is left behind
//! after a crash. The store takes a component as a whole; only few are read for it at once.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use larder_control::Code;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::body::{self, BodyLimits, Chunks};
use crate::config::UploadLimits;
use crate::extract::require_media_type;
use crate::problem::Problem;

const WASM: &str = "application/wasm";
/// Components that are in memory at once on their way to the store.
const IN_MEMORY_MAX: usize = 2;
/// How long a client may be silent whose upload is not wanted.
const DISCARD_SILENCE: Duration = Duration::from_secs(1);

/// Places for uploads.
pub(crate) struct Uploads {
    body: BodyLimits,
    turn_wait: Duration,
    /// For those under way and those that wait.
    doors: Semaphore,
    /// For those under way.
    turns: Semaphore,
    in_memory: Semaphore,
    folder: PathBuf,
}

/// The right to upload, for as long as this lives.
pub(crate) struct Place<'a> {
    uploads: &'a Uploads,
    _turn: SemaphorePermit<'a>,
    _door: SemaphorePermit<'a>,
}

/// A whole component, and the right to have it in memory.
pub(crate) struct Received<'a> {
    pub(crate) wasm: Vec<u8>,
    pub(crate) place: SemaphorePermit<'a>,
}

impl Uploads {
    pub(crate) fn new(limits: &UploadLimits) -> Self {
        let places = |count: usize| Semaphore::new(count.min(Semaphore::MAX_PERMITS));
        Self {
            body: BodyLimits {
                bytes_max: limits.bytes_max,
                chunk_wait: limits.chunk_wait,
                whole_wait: limits.whole_wait,
                shorten: "strip the component, optimise it for size, and leave out what it does not use",
            },
            turn_wait: limits.turn_wait,
            doors: places(limits.at_once_max.saturating_add(limits.waiting_max)),
            turns: places(limits.at_once_max),
            in_memory: places(IN_MEMORY_MAX),
            folder: limits.folder.clone(),
        }
    }

    /// Looks at what the headers tell, and waits for a place. Nothing is read.
    pub(crate) async fn place(&self, headers: &HeaderMap) -> Result<Place<'_>, Problem> {
        require_media_type(headers, WASM)?;
        body::check_announced(headers, &self.body)?;
        let door = self.doors.try_acquire().map_err(|_| overloaded())?;
        let turn = timeout(self.turn_wait, self.turns.acquire()).await;
        let turn = turn.map_err(|_| overloaded())?.map_err(|_| overloaded())?;
        Ok(Place { uploads: self, _turn: turn, _door: door })
    }

    /// Takes in a body that is not wanted, within twice the bounds of a wanted one: a client that is still sending would not
    /// read the refusal, and somewhat too long is what most are. One that waits to be told to send, or that announced
    /// still more, is not told to.
    pub(crate) async fn discard(&self, headers: &HeaderMap, body: Body) {
        let twice = BodyLimits { bytes_max: self.body.bytes_max.saturating_mul(2), ..self.body };
        if headers.contains_key(header::EXPECT) || body::check_announced(headers, &twice).is_err() {
            return;
        }
        let (mut stream, mut left) = (body.into_data_stream(), twice.bytes_max);
        let all = async {
            while let Ok(Some(Ok(chunk))) = timeout(DISCARD_SILENCE, stream.next()).await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    break;
                }
            }
        };
        // Whether it comes to its end is nothing to anybody.
        let _in_time = timeout(self.body.chunk_wait, all).await;
    }
}

impl<'a> Place<'a> {
    /// Receives the component, then reads it.
    pub(crate) async fn receive(&self, body: Body) -> Result<Received<'a>, Problem> {
        let uploads = self.uploads;
        let file = tempfile::tempfile_in(&uploads.folder).map_err(|error| unstored(&error))?;
        let mut file = spool(body, File::from_std(file), &uploads.body).await?;
        let place = uploads.in_memory.acquire().await.map_err(|_| overloaded())?;
        let mut wasm = Vec::new();
        file.rewind().await.map_err(|error| unstored(&error))?;
        file.read_to_end(&mut wasm).await.map_err(|error| unstored(&error))?;
        Ok(Received { wasm, place })
    }
}

/// Writes a body to a file as it comes.
async fn spool(body: Body, mut file: File, limits: &BodyLimits) -> Result<File, Problem> {
    let mut chunks = Chunks::of(body, limits);
    while let Some(chunk) = chunks.next().await? {
        file.write_all(&chunk).await.map_err(|error| unstored(&error))?;
    }
    file.flush().await.map_err(|error| unstored(&error))?;
    Ok(file)
}

fn unstored(error: &io::Error) -> Problem {
    tracing::error!(%error, "an upload can't be written to the disk");
    Problem::new(Code::StorageFailed, "the host can't write the upload to its disk")
}

fn overloaded() -> Problem {
    Problem::new(Code::Overloaded, "too many components are being uploaded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told() {
        let limits = BodyLimits {
            bytes_max: 99,
            chunk_wait: Duration::from_secs(1),
            whole_wait: Duration::from_secs(1),
            shorten: "send less",
        };
        let full = File::options().write(true).open("/dev/full").await.unwrap();
        let refused = spool(Body::from("bytes"), full, &limits).await.unwrap_err();
        assert!(format!("{refused:?}").contains("can't write the upload"), "{refused:?}");
    }
}
