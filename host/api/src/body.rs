//! Reading a request's body: never more of it than its route takes, and never for longer than a client needs that means well.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use larder_control::Code;
use tokio::time::{Instant, timeout, timeout_at};

use crate::problem::{INCOMPLETE_BODY, Problem, REQUEST_TIMEOUT};

/// What one body may take.
#[derive(Debug, Clone)]
pub(crate) struct BodyLimits {
    /// Its length, in bytes.
    pub(crate) bytes_max: usize,
    /// The longest silence within it.
    pub(crate) chunk_wait: Duration,
    /// The whole of it.
    pub(crate) whole_wait: Duration,
}

/// Refuses a body that announces itself as too long, before anything of it is read. Returns what it announced.
pub(crate) fn check_announced(headers: &HeaderMap, limits: &BodyLimits) -> Result<usize, Problem> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match announced.map(str::parse::<usize>) {
        Some(Ok(bytes)) if bytes <= limits.bytes_max => Ok(bytes),
        Some(_) => Err(too_large(limits)),
        // It comes in chunks, and is counted as it comes.
        None => Ok(0),
    }
}

/// Reads a whole body.
pub(crate) async fn read(body: Body, announced: usize, limits: &BodyLimits) -> Result<Vec<u8>, Problem> {
    let until = Instant::now() + limits.whole_wait;
    let mut stream = body.into_data_stream();
    let mut whole = Vec::with_capacity(announced.min(limits.bytes_max));
    loop {
        let chunk = match timeout_at(until, timeout(limits.chunk_wait, stream.next())).await {
            Err(_) => return Err(too_slow("the body took longer than", limits.whole_wait)),
            Ok(Err(_)) => return Err(too_slow("nothing of the body came for", limits.chunk_wait)),
            Ok(Ok(chunk)) => chunk,
        };
        match chunk {
            None => return Ok(whole),
            Some(Err(_)) => return Err(Problem::new(INCOMPLETE_BODY, "the body broke off before its end")),
            Some(Ok(chunk)) if whole.len() + chunk.len() > limits.bytes_max => return Err(too_large(limits)),
            Some(Ok(chunk)) => whole.extend_from_slice(&chunk),
        }
    }
}

fn too_large(limits: &BodyLimits) -> Problem {
    Problem::new(Code::TooLarge, format!("the body is longer than {} bytes", limits.bytes_max))
}

fn too_slow(what: &str, limit: Duration) -> Problem {
    Problem::new(REQUEST_TIMEOUT, format!("{what} {} ms", limit.as_millis()))
}
