//! Receiving components. The store takes one as a whole, so it is kept in memory; therefore only few are received at once, and a
//! client that is silent, or endless, doesn't keep its place.

use axum::extract::Request;
use larder_control::Code;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::body::{self, BodyLimits};
use crate::config::UploadLimits;
use crate::extract::require_media_type;
use crate::problem::Problem;

const WASM: &str = "application/wasm";

/// Places for uploads.
pub(crate) struct Uploads {
    limits: UploadLimits,
    /// For those under way and those that wait.
    doors: Semaphore,
    /// For those under way.
    turns: Semaphore,
}

/// A component that has come in, and its place, which is free again when this is dropped.
pub(crate) struct Received<'a> {
    pub(crate) wasm: Vec<u8>,
    _turn: SemaphorePermit<'a>,
    _door: SemaphorePermit<'a>,
}

impl Uploads {
    pub(crate) fn new(limits: UploadLimits) -> Self {
        let doors = Semaphore::new(limits.at_once_max.saturating_add(limits.waiting_max).min(Semaphore::MAX_PERMITS));
        let turns = Semaphore::new(limits.at_once_max.min(Semaphore::MAX_PERMITS));
        Self { limits, doors, turns }
    }

    /// Reads a request's component. What the headers tell already is refused before anything is read.
    pub(crate) async fn receive(&self, request: Request) -> Result<Received<'_>, Problem> {
        let limits = BodyLimits {
            bytes_max: self.limits.bytes_max,
            chunk_wait: self.limits.chunk_wait,
            whole_wait: self.limits.whole_wait,
        };
        require_media_type(request.headers(), WASM)?;
        let announced = body::check_announced(request.headers(), &limits)?;
        let door = self.doors.try_acquire().map_err(|_| overloaded())?;
        let turn = timeout(self.limits.turn_wait, self.turns.acquire()).await;
        let turn = turn.map_err(|_| overloaded())?.map_err(|_| overloaded())?;
        let wasm = body::read(request.into_body(), announced, &limits).await?;
        Ok(Received { wasm, _turn: turn, _door: door })
    }
}

fn overloaded() -> Problem {
    Problem::new(Code::Overloaded, "too many components are being uploaded")
}
