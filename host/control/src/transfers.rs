//! Exports and imports: an addon's data, joined from a program in a container to a client, or the other way round.
//!
//! *Theory.* The provider only describes the program. The host runs it when its operation has come so far, in a container that lives as
//! long as the data flow. One task does all of it ([`transfer`]), and none of it belongs to the request: a client that goes away
//! drops its end of a channel, which the task notices, and so the container goes and the operation ends whatever happens to
//! the connection. Every piece waits for the one before it to be taken, so that nothing is kept but a few pieces.
//!
//! *Who ends it.* The operation is the store's. While data flow, the task says so every few seconds; it says nothing while the client is
//! what it waits for, and the state machine gives up a stream that has stood still for too long. Whoever ends the operation otherwise,
//! as by deleting the addon, wins: the task finds out, and removes its container. A task that is lost in a crash leaves a
//! container whose operation nobody here knows; the worker's look at everything removes it and ends the operation.

mod container;
mod flow;
mod inflate;
mod left;
mod transfer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use larder_domain::{AddonId, AddonRecord, AddonSpec, OperationId, WallTime};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

pub use inflate::{BrokenBody, ImportBody};

use crate::{Code, Control, ControlError};
use flow::{Head, Piece};
pub(crate) use left::{close_left, end_all_left, end_left};
use transfer::Transferring;

/// How many pieces may wait for a client. Engines send at most 32 KiB at once.
const PIECES_MAX: usize = 8;

/// What exports and imports may take.
#[derive(Debug, Clone, Copy)]
pub struct TransferLimits {
    /// The most data of one, decompressed, in bytes.
    pub bytes_max: u64,
    /// How many there may be at once.
    pub at_once_max: usize,
    /// How long a provider may take to describe the program.
    pub begin_wait: Duration,
}

impl TransferLimits {
    /// The most data of one transfer unless the operator says otherwise, in bytes.
    pub const BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
    /// How many there may be at once unless the operator says otherwise.
    pub const AT_ONCE_MAX: usize = 8;
    /// How long a provider may take to describe the program. Longer than the operation's own deadline, so that why it failed is what is
    /// told.
    pub const BEGIN_WAIT: Duration = Duration::from_secs(60);
}

impl Default for TransferLimits {
    fn default() -> Self {
        Self { bytes_max: Self::BYTES_MAX, at_once_max: Self::AT_ONCE_MAX, begin_wait: Self::BEGIN_WAIT }
    }
}

/// The transfers of this node.
#[derive(Debug)]
pub(crate) struct Transfers {
    limits: TransferLimits,
    places: Arc<Semaphore>,
    live: Mutex<HashMap<OperationId, (AddonId, Arc<Notify>)>>,
}

impl Transfers {
    pub(crate) fn new(limits: TransferLimits) -> Self {
        let places = Semaphore::new(limits.at_once_max.min(Semaphore::MAX_PERMITS));
        Self { limits, places: Arc::new(places), live: Mutex::default() }
    }

    /// A place for one more.
    fn begin(self: &Arc<Self>, addon: AddonId, operation: OperationId) -> Result<Live, ControlError> {
        let full = |_| {
            let message = format!("{} exports and imports are under way, as many as may be", self.limits.at_once_max);
            ControlError::refused(Code::Overloaded, message)
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(full)?;
        let stop = Arc::new(Notify::new());
        self.lock().insert(operation, (addon, Arc::clone(&stop)));
        Ok(Live { transfers: Arc::clone(self), operation, stop, _place: place })
    }

    /// Whether somebody here looks after it.
    pub(crate) fn has(&self, operation: OperationId) -> bool {
        self.lock().contains_key(&operation)
    }

    /// The addon's data are to flow no more.
    pub(crate) fn cancel(&self, addon: AddonId) {
        // One permit is kept, so that it is not lost on one that does not listen yet.
        self.lock().values().filter(|(of, _)| *of == addon).for_each(|(_, stop)| stop.notify_one());
    }

    /// None are to flow any more. Ends when none do.
    pub(crate) async fn cancel_all(&self) {
        self.lock().values().for_each(|(_, stop)| stop.notify_one());
        let all = u32::try_from(self.limits.at_once_max.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        drop(self.places.acquire_many(all).await);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OperationId, (AddonId, Arc<Notify>)>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transfer's place among those of this node.
#[derive(Debug)]
struct Live {
    transfers: Arc<Transfers>,
    operation: OperationId,
    stop: Arc<Notify>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.transfers.lock().remove(&self.operation);
    }
}

/// An export of which the first data are there.
#[derive(Debug)]
pub struct Exported {
    /// What the data are, as a media type.
    pub content_type: String,
    /// What the data are, as the end of a file's name, without a dot.
    pub extension: String,
    /// Whose data they are.
    pub spec: Arc<AddonSpec>,
    /// When it was asked for.
    pub asked_at: WallTime,
    pieces: mpsc::Receiver<Piece>,
}

/// An export that broke off. What was taken of it is not the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the export broke off")]
pub struct BrokeOff;

impl Exported {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// There is no end: what was taken is not the whole.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, BrokeOff> {
        match self.pieces.recv().await {
            Some(Piece::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Piece::End) => Ok(None),
            None => Err(BrokeOff),
        }
    }
}

impl Control {
    /// Begins an export and waits for its first data. It is broken off when what is returned is dropped before its end.
    ///
    /// # Errors
    /// `unknown_addon`, `not_supported`, `not_ready`, `operation_in_progress`, `overloaded`, `transfer_failed`.
    pub async fn export_addon(&self, id: AddonId) -> Result<Exported, ControlError> {
        let operation = OperationId::generate();
        let live = self.transfers.begin(id, operation)?;
        let (head, told) = oneshot::channel();
        let (to_client, pieces) = mpsc::channel(PIECES_MAX);
        let transferring = Transferring::new(self.clone(), id, live);
        tokio::spawn(transferring.export(head, to_client));
        let Head { content_type, extension, spec } = told.await.map_err(broke_down)??;
        Ok(Exported { content_type, extension, spec, asked_at: operation.generated_at(), pieces })
    }

    /// Ends all transfers of this node, as it stops.
    pub async fn end_transfers(&self) {
        self.transfers.cancel_all().await;
    }

    /// Takes data in until the body ends; the addon as it is then.
    ///
    /// # Errors
    /// `unknown_addon`, `not_supported`, `not_ready`, `operation_in_progress`, `overloaded`, `body_too_large`, `transfer_failed`.
    pub async fn import_addon(&self, id: AddonId, body: ImportBody) -> Result<AddonRecord, ControlError> {
        let operation = OperationId::generate();
        let live = self.transfers.begin(id, operation)?;
        let (done, told) = oneshot::channel();
        let transferring = Transferring::new(self.clone(), id, live);
        tokio::spawn(transferring.import(body, done));
        told.await.map_err(broke_down)??;
        self.addon(id).await
    }
}

/// The task is gone without a word.
fn broke_down(_: oneshot::error::RecvError) -> ControlError {
    ControlError::refused(Code::Internal, "the transfer broke down")
}
