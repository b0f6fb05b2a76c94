//! The one place where failures become HTTP: problem documents (RFC 9457) with a stable `code`, a `detail` that says what was found, and an
//! `advice` that says what to do.

use std::error::Error;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use larder_control::{Code, ControlError};
use serde_json::json;

/// What an author can do about a component that was refused.
const COMPONENT_ADVICE: &str =
    "Mend the component as the detail says, build it again and upload it; docs/providers.md has an example.";

/// A failure on its way out.
#[derive(Debug)]
pub(crate) struct Problem(ControlError);

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self.0 {
            ControlError::Refused { code, message } => document(code.status(), code.as_str(), &message, code.advice()),
            ControlError::Component(refusal) => document(422, refusal.code, &refusal.message, COMPONENT_ADVICE),
            ControlError::Store(error) => {
                let cause = error.source().map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "the store failed");
                let code = Code::Internal;
                document(code.status(), code.as_str(), "the host could not reach its store", code.advice())
            }
        }
    }
}

fn document(status: u16, code: &str, detail: &str, advice: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "type": format!("urn:larder:error:{code}"),
        "title": status.canonical_reason().unwrap_or("Failed"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
        "advice": advice,
    });
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// A handler that panicked.
pub(crate) fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let said =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    tracing::error!(said, "a handler panicked");
    let code = Code::Internal;
    document(code.status(), code.as_str(), "the host made a mistake", code.advice())
}

/// No such route.
pub(crate) async fn not_found(uri: axum::http::Uri) -> Problem {
    ControlError::refused(Code::NotFound, format!("there is no route {}", uri.path())).into()
}

/// A route without that method.
pub(crate) async fn method_not_allowed(method: axum::http::Method, uri: axum::http::Uri) -> Problem {
    ControlError::refused(Code::MethodNotAllowed, format!("{} has no method {method}", uri.path())).into()
}
