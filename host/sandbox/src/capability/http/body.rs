//! The body of an answer, which may be so long and pause for so long, and the connection that it comes over.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

/// The longest body, in bytes.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A connection at work, for as long as somebody holds it.
pub(super) struct Connection(AbortHandle);

impl Connection {
    /// Lets it work.
    pub(super) fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Self {
        let driven = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a guest's connection broke off");
            }
        });
        Self(driven.abort_handle())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body within bounds.
pub(super) struct Bounded {
    incoming: Incoming,
    left_bytes: u64,
    pause: Duration,
    paused: Pin<Box<Sleep>>,
    /// Whether the guest waits; while it does something else, the pause is its own.
    is_waiting: bool,
    _connection: Connection,
}

impl Bounded {
    pub(super) fn new(incoming: Incoming, pause: Duration, connection: Connection) -> Self {
        let paused = Box::pin(sleep(pause));
        Self { incoming, left_bytes: BODY_BYTES_MAX, pause, paused, is_waiting: false, _connection: connection }
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(frame)) => frame?,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                if !self.is_waiting {
                    self.is_waiting = true;
                    let until = Instant::now() + self.pause;
                    self.paused.as_mut().reset(until);
                }
                let pause = self.paused.as_mut().poll(cx);
                return pause.map(|()| Some(Err(Error::ConnectionReadTimeout)));
            }
        };
        self.is_waiting = false;
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left_bytes.checked_sub(bytes) {
            Some(left_bytes) => self.left_bytes = left_bytes,
            None => return Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(BODY_BYTES_MAX))))),
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
