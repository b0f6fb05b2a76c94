//! What a request says, read strictly.

use std::str::FromStr;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use larder_control::{Code, ControlError, WAIT_MS_MAX};
use larder_domain::AddonId;
use larder_domain::ports::store::Idempotency;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// The longest JSON body, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The longest idempotency key, in bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A JSON body, and the hash by which it is recognised when it comes again.
pub(crate) struct StrictJson<T> {
    pub(crate) value: T,
    pub(crate) sha256: [u8; 32],
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        require_type(request.headers(), "application/json")?;
        let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|_| {
            ControlError::refused(
                Code::TooLarge,
                format!("the body has more than {BODY_BYTES_MAX} bytes, or broke off"),
            )
        })?;
        let value = serde_json::from_slice(&bytes).map_err(|error| json_error(&error))?;
        Ok(Self { value, sha256: Sha256::digest(&bytes).into() })
    }
}

fn json_error(error: &serde_json::Error) -> ControlError {
    let message = error.to_string();
    let code = if message.starts_with("unknown field") { Code::UnknownField } else { Code::InvalidJson };
    ControlError::refused(code, format!("the body is not acceptable: {message}"))
}

/// That the body is of this type.
pub(crate) fn require_type(headers: &HeaderMap, wanted: &str) -> Result<(), ControlError> {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("none");
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(ControlError::refused(Code::UnsupportedMediaType, format!("the content type is {found}; send {wanted}")))
}

/// Query parameters; unknown ones are refused by the type.
pub(crate) struct Strict<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Strict<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|error| {
            ControlError::refused(Code::InvalidQuery, format!("the query is not acceptable: {}", error.body_text()))
                .into()
        })
    }
}

/// A name from a path or a body.
pub(crate) fn name<T: FromStr<Err = larder_domain::NameError>>(text: &str) -> Result<T, ControlError> {
    Ok(text.parse()?)
}

/// An addon's identifier from a path. What is no identifier names no addon.
pub(crate) fn addon_id(text: &str) -> Result<AddonId, ControlError> {
    let shown: String = text.chars().take(80).collect();
    text.parse().map_err(|_| ControlError::refused(Code::UnknownAddon, format!("there is no addon {shown:?}")))
}

/// How long the client wants the answer to wait: `Prefer: wait=N` (RFC 7240, section 4.3), in seconds.
pub(crate) fn wait(headers: &HeaderMap) -> Result<Option<Duration>, ControlError> {
    for header in headers.get_all("prefer") {
        for preference in header.to_str().unwrap_or_default().split([',', ';']) {
            let Some((key, value)) = preference.split_once('=') else {
                continue;
            };
            if key.trim().eq_ignore_ascii_case("wait") {
                let seconds: u32 = value.trim().trim_matches('"').parse().map_err(|_| {
                    ControlError::refused(Code::InvalidQuery, format!("Prefer: wait={value} is no number of seconds"))
                })?;
                return Ok(Some(Duration::from_secs(seconds.into()).min(Duration::from_millis(WAIT_MS_MAX))));
            }
        }
    }
    Ok(None)
}

/// The client's key for this request, made unique by who asks and what for.
pub(crate) fn idempotency(
    headers: &HeaderMap,
    route: &str,
    body: [u8; 32],
) -> Result<Option<Idempotency>, ControlError> {
    let Some(header) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = header.to_str().ok().filter(|key| (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()));
    let key = key.ok_or_else(|| {
        let message = format!("the Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible characters");
        ControlError::refused(Code::InvalidQuery, message)
    })?;
    // There is one token so far, and it is the administrator's.
    Ok(Some(Idempotency { key: format!("admin {route} {key}"), body }))
}
