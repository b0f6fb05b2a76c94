//! Request headers that change what a route does.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use larder_control::{Code, WAIT_MS_MAX};
use larder_domain::ports::store::Idempotency;
use sha2::{Digest, Sha256};

use crate::auth::Caller;
use crate::problem::Problem;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The longest key that makes a request recognisable, in bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// The longest wait, in seconds; longer ones are cut.
const WAIT_S_MAX: u64 = WAIT_MS_MAX / 1000;

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidQuery, detail)
}

/// `Prefer: wait=N` (RFC 7240, section 4.3): how long the client would have the answer held back. Other preferences are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(Option<u64>);

impl Wait {
    /// How long to wait at most; none if the client didn't ask for it.
    pub(crate) fn at_most(self) -> Option<Duration> {
        self.0.map(Duration::from_secs)
    }

    /// The answer, with word of the wait that was granted.
    pub(crate) fn applied(self, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        if let Some(value) = self.0.and_then(|s| HeaderValue::try_from(format!("wait={s}")).ok()) {
            response.headers_mut().insert(PREFERENCE_APPLIED, value);
        }
        response
    }

    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        for value in headers.get_all(PREFER) {
            let value = value.to_str().map_err(|_| invalid("the header Prefer has characters outside of ASCII"))?;
            for preference in value.split(',') {
                let preference = preference.split(';').next().unwrap_or_default();
                let (name, seconds) = preference.split_once('=').unwrap_or((preference, ""));
                if name.trim().eq_ignore_ascii_case("wait") {
                    return Self::of_seconds(seconds.trim().trim_matches('"'));
                }
            }
        }
        Ok(Self(None))
    }

    fn of_seconds(text: &str) -> Result<Self, Problem> {
        let only_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !only_digits {
            return Err(invalid("in the header Prefer, wait is a number of seconds, as in wait=30"));
        }
        // Nothing but the number's size can be wrong now, and what is too much is cut anyway.
        Ok(Self(Some(text.parse().unwrap_or(WAIT_S_MAX).min(WAIT_S_MAX))))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wait {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

/// `Idempotency-Key`: makes a request recognisable when it comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(Option<String>);

impl IdempotencyKey {
    /// The key of this caller on this route, together with the body that it goes with.
    pub(crate) fn with(self, caller: Caller, route: &str, body: &[u8]) -> Option<Idempotency> {
        let key = format!("{}/{route}/{}", caller.name, self.0?);
        Some(Idempotency { key, body: Sha256::digest(body).into() })
    }

    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let bytes = value.as_bytes();
        let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        match value.to_str() {
            Ok(key) if fits && values.next().is_none() => Ok(Self(Some(key.to_owned()))),
            _ => Err(invalid(format!(
                "the header Idempotency-Key is there once, with 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"
            ))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

/// `If-Match` and `ETag` (RFC 9110, sections 13.1.1 and 8.8.3): which state of a thing the client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revision(pub(crate) u64);

impl Revision {
    /// The answer with the revision that it shows.
    pub(crate) fn tagged(self, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        if let Ok(value) = HeaderValue::try_from(format!("\"{}\"", self.0)) {
            response.headers_mut().insert(header::ETAG, value);
        }
        response
    }

    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::IF_MATCH).iter();
        let needed = |detail: &str| Problem::new(Code::RevisionNeeded, detail);
        let value = values.next().ok_or_else(|| needed("the header If-Match is missing"))?;
        let number = value.to_str().ok().and_then(|text| text.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
        match number {
            Some(revision) if values.next().is_none() => Ok(Self(revision)),
            _ => Err(needed("the header If-Match is there once, with the ETag of the provider, as in \"3\"")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Revision {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

/// Whether the client wants a stream of events, and which was the last one that it got of an earlier stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventsWanted {
    pub(crate) as_stream: bool,
    pub(crate) last_id: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for EventsWanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let accepted = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let as_stream = accepted.flat_map(|value| value.split(',')).any(|range| is_essence(range, "text/event-stream"));
        let last_id = parts.headers.get(LAST_EVENT_ID).map(|value| {
            let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
            id.ok_or_else(|| invalid("the header Last-Event-ID is the id of an event, a number"))
        });
        Ok(Self { as_stream, last_id: last_id.transpose()? })
    }
}

/// Refuses a body of another media type, and one that is compressed.
pub(crate) fn require_media_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let refuse = |found: String| {
        Err(Problem::new(Code::UnsupportedMediaType, format!("{found}; this route takes {expected}, not compressed")))
    };
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("something unreadable"));
    match text(header::CONTENT_TYPE) {
        None => return refuse("the request has no Content-Type".into()),
        Some(found) if !is_essence(found, expected) => return refuse(format!("the Content-Type is {found:?}")),
        Some(_) => {}
    }
    match text(header::CONTENT_ENCODING) {
        Some(found) if !found.eq_ignore_ascii_case("identity") => refuse(format!("the Content-Encoding is {found:?}")),
        _ => Ok(()),
    }
}

/// Refuses a body that is encoded in another way than one of these.
pub(crate) fn require_encoding(headers: &HeaderMap, known: &[&str]) -> Result<(), Problem> {
    let Some(found) = headers.get(header::CONTENT_ENCODING) else { return Ok(()) };
    let found = found.to_str().unwrap_or("something unreadable");
    if known.iter().any(|known| found.trim().eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    let detail = format!("the Content-Encoding is {found:?}; this route takes {}, or none", known.join(", "));
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

/// Whether a media type, without its parameters, is this one.
fn is_essence(media_type: &str, essence: &str) -> bool {
    media_type.split(';').next().is_some_and(|found| found.trim().eq_ignore_ascii_case(essence))
}

#[cfg(test)]
mod tests;
