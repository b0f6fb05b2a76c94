//! Receiving components. The store takes one as a whole, so it is kept in memory; therefore only few are received at once, and a
//! client that is silent, or endless, doesn't keep its place.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use larder_control::Code;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::body::{self, BodyLimits};
use crate::config::UploadLimits;
use crate::extract::require_media_type;
use crate::problem::Problem;

const WASM: &str = "application/wasm";
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
}

/// The right to upload, for as long as this lives.
pub(crate) struct Place<'a> {
    limits: &'a BodyLimits,
    announced: usize,
    _turn: SemaphorePermit<'a>,
    _door: SemaphorePermit<'a>,
}

impl Uploads {
    pub(crate) fn new(limits: &UploadLimits) -> Self {
        let places = |count: usize| Semaphore::new(count.min(Semaphore::MAX_PERMITS));
        Self {
            body: BodyLimits {
                bytes_max: limits.bytes_max,
                chunk_wait: limits.chunk_wait,
                whole_wait: limits.whole_wait,
            },
            turn_wait: limits.turn_wait,
            doors: places(limits.at_once_max.saturating_add(limits.waiting_max)),
            turns: places(limits.at_once_max),
        }
    }

    /// Looks at what the headers tell, and waits for a place. Nothing is read.
    pub(crate) async fn place(&self, headers: &HeaderMap) -> Result<Place<'_>, Problem> {
        require_media_type(headers, WASM)?;
        let announced = body::check_announced(headers, &self.body)?;
        let door = self.doors.try_acquire().map_err(|_| overloaded())?;
        let turn = timeout(self.turn_wait, self.turns.acquire()).await;
        let turn = turn.map_err(|_| overloaded())?.map_err(|_| overloaded())?;
        Ok(Place { limits: &self.body, announced, _turn: turn, _door: door })
    }

    /// Takes in a body that is not wanted, within the bounds of a wanted one: a client that is still sending would not read
    /// the refusal. One that waits to be told to send, or that announced too much, is not told to.
    pub(crate) async fn discard(&self, headers: &HeaderMap, body: Body) {
        if headers.contains_key(header::EXPECT) || body::check_announced(headers, &self.body).is_err() {
            return;
        }
        let (mut stream, mut left) = (body.into_data_stream(), self.body.bytes_max);
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

impl Place<'_> {
    /// Reads the component.
    pub(crate) async fn read(&self, body: Body) -> Result<Vec<u8>, Problem> {
        body::read(body, self.announced, self.limits).await
    }
}

fn overloaded() -> Problem {
    Problem::new(Code::Overloaded, "too many components are being uploaded")
}
