//! What flows, counted: pieces on their way to a client, and how it is known that somebody still waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use larder_domain::AddonSpec;
use tokio::sync::{mpsc, oneshot};

use super::PIECES_MAX;
use super::container::Running;
use super::transfer::Failure;
use crate::{Code, ControlError};

/// A piece of an export on its way to the client. A channel that is closed without an end broke off.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    End,
}

/// What is told of an export before its data.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) content_type: String,
    pub(super) extension: String,
    pub(super) spec: Arc<AddonSpec>,
}

/// How much has flowed, and whom it waits for.
#[derive(Debug, Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    waits_for_client: AtomicBool,
}

impl Meter {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether it is the client that has to give or take something.
    pub(super) fn waits_for_client(&self) -> bool {
        self.waits_for_client.load(Ordering::Relaxed)
    }

    /// Counts these.
    pub(super) fn count(&self, bytes: usize, bytes_max: u64) -> Result<(), Failure> {
        let all = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed).saturating_add(bytes as u64);
        if all <= bytes_max {
            return Ok(());
        }
        Err(Failure { code: Code::TooLarge, reason: format!("there are more than {bytes_max} bytes of data") })
    }

    /// Waits for the client to do something.
    pub(super) async fn of_client<T>(&self, work: impl Future<Output = T>) -> T {
        self.waits_for_client.store(true, Ordering::Relaxed);
        let done = work.await;
        self.waits_for_client.store(false, Ordering::Relaxed);
        done
    }
}

/// The client of an export: told what comes with the first data, or why none come.
pub(super) struct Client {
    head: Option<(oneshot::Sender<Result<Head, ControlError>>, Head)>,
    pieces: mpsc::Sender<Piece>,
}

impl Client {
    pub(super) fn new(
        told: oneshot::Sender<Result<Head, ControlError>>,
        head: Head,
        pieces: mpsc::Sender<Piece>,
    ) -> Self {
        Self { head: Some((told, head)), pieces }
    }

    /// Ends when the client has gone away.
    pub(super) fn gone(&self) -> impl Future<Output = ()> + use<> {
        let pieces = self.pieces.clone();
        async move { pieces.closed().await }
    }

    /// Hands it all that the program prints, and waits until it was taken.
    pub(super) async fn feed(&mut self, program: &mut Running, meter: &Meter, bytes_max: u64) -> Result<(), Failure> {
        while let Some(bytes) = program.streams.read().await.map_err(Failure::of_engine)? {
            meter.count(bytes.len(), bytes_max)?;
            self.begin();
            // One that is gone is noticed elsewhere.
            let _gone = meter.of_client(self.pieces.send(Piece::Bytes(bytes))).await;
        }
        let _gone = meter.of_client(self.pieces.reserve_many(PIECES_MAX)).await;
        Ok(())
    }

    /// There is something to be told of.
    fn begin(&mut self) {
        if let Some((told, head)) = self.head.take() {
            let _gone = told.send(Ok(head));
        }
    }

    /// All has been told.
    pub(super) fn end(mut self) {
        self.begin();
        // There is room: everything before it was taken.
        let _gone = self.pieces.try_send(Piece::End);
    }

    /// It is told why, if that is not too late.
    pub(super) fn fail(self, error: ControlError) {
        if let Some((told, _)) = self.head {
            let _gone = told.send(Err(error));
        }
    }
}
