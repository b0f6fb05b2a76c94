//! Backups: one at a time, handed out piece by piece.
//!
//! A task reads the backup and sends it through a channel of few pieces, so that a client that takes nothing more is noticed: it
//! would keep the copy on the host's disk, and everybody else from having one. Whoever drops what is returned ends the task.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use larder_domain::WallTime;
use larder_domain::ports::{Backup, BackupError, Backups};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use crate::{Code, Control, ControlError};

/// What is read at once, in bytes.
const PIECE_BYTES: usize = 256 * 1024;
/// How many pieces may wait for a client.
const PIECES_MAX: usize = 2;
/// How long a client may take nothing.
const STALL_MAX: Duration = Duration::from_secs(60);

/// How this node makes backups, if it can.
#[derive(Clone)]
pub(crate) struct BackupPlace {
    maker: Option<Arc<dyn Backups>>,
    place: Arc<Semaphore>,
}

impl Default for BackupPlace {
    fn default() -> Self {
        Self { maker: None, place: Arc::new(Semaphore::new(1)) }
    }
}

/// A backup on its way to a client.
#[derive(Debug)]
pub struct BackupStream {
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Of which moment it is.
    pub made_at: WallTime,
    pieces: mpsc::Receiver<std::io::Result<Vec<u8>>>,
}

impl BackupStream {
    /// The next piece; none at the end. Whether that was all of it is told by its length.
    ///
    /// # Errors
    /// It could not be read any further.
    pub async fn next(&mut self) -> Option<std::io::Result<Vec<u8>>> {
        self.pieces.recv().await
    }
}

impl Control {
    /// The same, with somebody who makes backups.
    #[must_use]
    pub fn with_backups(self, maker: Arc<dyn Backups>) -> Self {
        Self { backups: BackupPlace { maker: Some(maker), ..self.backups }, ..self }
    }

    /// Makes a backup of this moment. It is broken off when what is returned is dropped before its end.
    ///
    /// # Errors
    /// `not_supported`, `overloaded`, `storage_failed`.
    pub async fn backup(&self) -> Result<BackupStream, ControlError> {
        let BackupPlace { maker, place } = &self.backups;
        let none = "this server keeps nothing that could be backed up: its data are in memory";
        let maker = maker.as_ref().ok_or_else(|| ControlError::refused(Code::NotSupported, none))?;
        let taken = |_| ControlError::refused(Code::Overloaded, "a backup is under way, and there is one at a time");
        let place = Arc::clone(place).try_acquire_owned().map_err(taken)?;
        let Backup { content, bytes, made_at } = maker.make().await.map_err(refused)?;
        let (to_client, pieces) = mpsc::channel(PIECES_MAX);
        tokio::spawn(send(place, content, to_client, STALL_MAX));
        Ok(BackupStream { bytes, made_at, pieces })
    }
}

fn refused(error: BackupError) -> ControlError {
    match error {
        BackupError::NoRoom { .. } => ControlError::refused(Code::StorageFailed, error.to_string()),
        BackupError::Failed(cause) => {
            tracing::error!(error = chain(&*cause), "a backup could not be made");
            ControlError::refused(Code::Internal, "the backup could not be made")
        }
    }
}

/// An error with what it came from.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Holds the place until the last piece is taken, or none was taken for too long.
async fn send(
    // Dropped last: the next backup begins when nothing of this one is left.
    _place: OwnedSemaphorePermit,
    mut content: Box<dyn Read + Send>,
    to_client: mpsc::Sender<std::io::Result<Vec<u8>>>,
    stall_max: Duration,
) {
    loop {
        // A disk may let one wait.
        let read = tokio::task::spawn_blocking(move || {
            let piece = piece(&mut content);
            (content, piece)
        });
        let Ok((rest, piece)) = read.await else { break };
        content = rest;
        let is_last = !matches!(&piece, Ok(piece) if piece.len() == PIECE_BYTES);
        match timeout(stall_max, to_client.send(piece)).await {
            Ok(Ok(())) if !is_last => {}
            Ok(_) => break,
            Err(_) => {
                tracing::warn!(seconds = stall_max.as_secs(), "a backup is broken off: its client took nothing");
                break;
            }
        }
    }
}

fn piece(content: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    content.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;

    /// Tells when the content is dropped.
    struct Content(
        std::io::Repeat,
        #[expect(dead_code, reason = "held until the content is dropped")] mpsc::Sender<()>,
    );

    impl Read for Content {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }

    struct Endless(Mutex<Option<mpsc::Sender<()>>>);

    #[async_trait]
    impl Backups for Endless {
        async fn make(&self) -> Result<Backup, BackupError> {
            let held = self.0.lock().unwrap().take();
            let held = held.ok_or(BackupError::NoRoom { needed_bytes: 2, free_bytes: 1 })?;
            let content = Box::new(Content(std::io::repeat(7), held));
            Ok(Backup { content, bytes: u64::MAX, made_at: WallTime::default() })
        }
    }

    fn place(held: mpsc::Sender<()>) -> BackupPlace {
        BackupPlace { maker: Some(Arc::new(Endless(Mutex::new(Some(held))))), ..BackupPlace::default() }
    }

    async fn begin(place: &BackupPlace, stall_max: Duration) -> mpsc::Receiver<std::io::Result<Vec<u8>>> {
        let permit = Arc::clone(&place.place).try_acquire_owned().unwrap();
        let (to_client, pieces) = mpsc::channel(PIECES_MAX);
        let backup = place.maker.as_ref().unwrap().make().await.unwrap();
        tokio::spawn(send(permit, backup.content, to_client, stall_max));
        pieces
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_keeps_no_copy() {
        let (held, mut dropped) = mpsc::channel(1);
        let place = place(held);
        let mut pieces = begin(&place, Duration::from_millis(20)).await;
        assert_eq!(pieces.recv().await.unwrap().unwrap().len(), PIECE_BYTES);
        assert_eq!(dropped.recv().await, None);
        let _place = place.place.acquire().await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_goes_away_frees_the_place() {
        let (held, mut dropped) = mpsc::channel(1);
        let place = place(held);
        let pieces = begin(&place, STALL_MAX).await;
        drop(pieces);
        assert_eq!(dropped.recv().await, None);
        let _place = place.place.acquire().await.unwrap();
        let again = place.maker.as_ref().unwrap().make().await;
        let Err(ControlError::Refused { code, message }) = again.map(drop).map_err(refused) else {
            panic!("it was made")
        };
        assert!(code == Code::StorageFailed && message.contains("2 bytes"), "{message}");
    }
}
