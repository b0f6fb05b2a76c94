//! Reading a request's body: never more of it than its route takes, and never for longer than a client needs that means well.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use larder_control::Code;
use tokio::time::{Instant, timeout, timeout_at};

use crate::problem::{INCOMPLETE_BODY, Problem};

/// What one body may take.
#[derive(Debug, Clone)]
pub(crate) struct BodyLimits {
    /// Its length, in bytes.
    pub(crate) bytes_max: usize,
    /// The longest silence within it.
    pub(crate) chunk_wait: Duration,
    /// The whole of it.
    pub(crate) whole_wait: Duration,
    /// What makes a body of this kind shorter.
    pub(crate) shorten: &'static str,
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

/// Reads a whole body into memory.
pub(crate) async fn read(body: Body, announced: usize, limits: &BodyLimits) -> Result<Vec<u8>, Problem> {
    let mut chunks = Chunks::of(body, limits);
    let mut whole = Vec::with_capacity(announced.min(limits.bytes_max));
    while let Some(chunk) = chunks.next().await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

/// A body as it comes, within its limits.
pub(crate) struct Chunks<'a> {
    stream: BodyDataStream,
    limits: &'a BodyLimits,
    until: Instant,
    bytes: usize,
}

impl<'a> Chunks<'a> {
    /// The time begins now.
    pub(crate) fn of(body: Body, limits: &'a BodyLimits) -> Self {
        Self { stream: body.into_data_stream(), limits, until: Instant::now() + limits.whole_wait, bytes: 0 }
    }

    /// The next piece; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let Self { stream, limits, until, bytes } = self;
        let chunk = match timeout_at(*until, timeout(limits.chunk_wait, stream.next())).await {
            Err(_) => return Err(too_slow("the body took longer than", limits.whole_wait)),
            Ok(Err(_)) => return Err(too_slow("nothing of the body came for", limits.chunk_wait)),
            Ok(Ok(chunk)) => chunk,
        };
        let broken = |_| Problem::new(INCOMPLETE_BODY, "the body broke off before its end");
        let chunk = chunk.transpose().map_err(broken)?;
        *bytes += chunk.as_ref().map_or(0, Bytes::len);
        if *bytes > limits.bytes_max { Err(too_large(limits)) } else { Ok(chunk) }
    }
}

fn too_large(limits: &BodyLimits) -> Problem {
    Problem::new(Code::TooLarge, format!("the body is longer than {} bytes; {}", limits.bytes_max, limits.shorten))
}

fn too_slow(what: &str, limit: Duration) -> Problem {
    Problem::new(Code::RequestTimeout, format!("{what} {} ms", limit.as_millis()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    const LIMITS: BodyLimits = BodyLimits {
        bytes_max: 8,
        chunk_wait: Duration::from_millis(200),
        whole_wait: Duration::from_millis(600),
        shorten: "say less",
    };

    /// A body that gives a byte so often, and never ends.
    fn dripping(pause: Duration) -> Body {
        Body::from_stream(stream::unfold((), move |()| async move {
            sleep(pause).await;
            Some((Ok::<_, std::io::Error>(Bytes::new()), ()))
        }))
    }

    async fn refusal(body: Body) -> String {
        format!("{:?}", read(body, 0, &LIMITS).await.unwrap_err())
    }

    #[tokio::test]
    async fn a_body_has_a_bounded_length() {
        assert_eq!(read(Body::from("12345678"), 8, &LIMITS).await.unwrap(), b"12345678");
        assert!(refusal(Body::from("123456789")).await.contains("longer than 8 bytes"));
    }

    #[tokio::test]
    async fn a_client_is_not_waited_for_without_end() {
        let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert!(refusal(silent).await.contains("nothing of the body came for 200 ms"));
        assert!(refusal(dripping(Duration::from_millis(5))).await.contains("the body took longer than 600 ms"));
    }

    #[test]
    fn what_a_body_announces_is_looked_at_first() {
        let announce = |text: &'static str| {
            let headers = [(header::CONTENT_LENGTH, HeaderValue::from_static(text))].into_iter().collect();
            check_announced(&headers, &LIMITS).ok()
        };
        assert_eq!(check_announced(&HeaderMap::new(), &LIMITS).ok(), Some(0));
        assert_eq!([announce("8"), announce("9"), announce("-1")], [Some(8), None, None]);
        assert_eq!(announce("99999999999999999999999999"), None);
    }
}
