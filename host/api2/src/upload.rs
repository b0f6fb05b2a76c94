//! Bodies of components: read with bounds on size, on time, and on how many come at once.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use futures_util::StreamExt;
use larder_control::{Code, ControlError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

/// The largest component, in bytes.
pub const UPLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many uploads are read at once, since each is held in memory.
pub(crate) const UPLOADS_AT_ONCE_MAX: usize = 4;
/// How long an upload waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(30);
/// How long the next bytes may take.
const CHUNK_MAX: Duration = Duration::from_secs(30);
/// How long the whole upload may take.
const UPLOAD_MAX: Duration = Duration::from_secs(600);

/// Reads a component.
pub(crate) async fn read(headers: &HeaderMap, body: Body, turns: &Semaphore) -> Result<Vec<u8>, ControlError> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > UPLOAD_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let _turn = timeout(TURN_MAX, turns.acquire()).await.ok().and_then(Result::ok).ok_or_else(|| {
        ControlError::refused(Code::Overloaded, format!("{UPLOADS_AT_ONCE_MAX} other uploads are under way"))
    })?;
    let deadline = Instant::now() + UPLOAD_MAX;
    let (mut stream, mut bytes) = (body.into_data_stream(), Vec::new());
    loop {
        let chunk = timeout_at(deadline.min(Instant::now() + CHUNK_MAX), stream.next()).await;
        match chunk.map_err(|_| ControlError::refused(Code::RequestTimeout, "the upload came too slowly"))? {
            None => return Ok(bytes),
            Some(Err(_)) => {
                return Err(ControlError::refused(Code::InvalidQuery, "the upload broke off"));
            }
            Some(Ok(chunk)) if bytes.len() + chunk.len() > UPLOAD_BYTES_MAX => {
                return Err(too_large());
            }
            Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
        }
    }
}

/// Takes in the rest of a body that is not wanted, within the bounds of a wanted one: a client that is still sending would not read the
/// refusal.
pub(crate) async fn discard(body: Body) {
    let all = body.into_data_stream().take_while(|chunk| std::future::ready(chunk.is_ok()));
    let mut left = UPLOAD_BYTES_MAX;
    let mut all = std::pin::pin!(all);
    // Whether it ends well is nothing to anybody.
    let _ended = timeout(CHUNK_MAX, async {
        while let Some(Ok(chunk)) = all.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    })
    .await;
}

fn too_large() -> ControlError {
    ControlError::refused(Code::TooLarge, format!("a component has at most {UPLOAD_BYTES_MAX} bytes"))
}
