//! Everything that a client is told when it does not get what it asked for: problem documents (RFC 9457) with a stable code.
//!
//! This is the one place where errors of the use cases become HTTP. What went wrong inside is logged here, once and with its
//! causes; the client learns no more of it than that it happened.

use std::error::Error;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use larder_control::{Code, ControlError};
use larder_domain::quota::{Quota, QuotaExceeded};
use serde::Serialize;

/// A problem's kind: what programs go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode {
    /// The stable name.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What the person can do.
    pub advice: &'static str,
}

/// The body broke off.
pub(crate) const INCOMPLETE_BODY: ErrorCode =
    ErrorCode { code: "incomplete_body", status: 400, advice: "Send the request again, with its whole body." };
/// A value that a format has no way to write.
pub(crate) const UNREPRESENTABLE_VALUE: ErrorCode = ErrorCode {
    code: "unrepresentable_value",
    status: 422,
    advice: "Ask for another format: `env`, `systemd` and `json` can hold every value.",
};

/// Codes that only requests over HTTP can meet with.
const OWN: [ErrorCode; 2] = [INCOMPLETE_BODY, UNREPRESENTABLE_VALUE];

/// The status of an upload that can't be a provider; its code is the refusal's.
const REFUSED_COMPONENT_STATUS: u16 = 422;
const REFUSED_COMPONENT_ADVICE: &str =
    "Correct the component as the message says, build it again, and upload it again.";
/// When to come back to a server that has too much to do, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// Every code that a problem document can have, but for those of components that were refused.
pub fn error_codes() -> impl Iterator<Item = ErrorCode> {
    Code::ALL.iter().copied().map(ErrorCode::from).chain(OWN)
}

impl From<Code> for ErrorCode {
    fn from(code: Code) -> Self {
        Self { code: code.as_str(), status: code.status(), advice: code.advice() }
    }
}

/// A request that does not get what it asked for.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: ErrorCode,
    detail: String,
    full: Option<Box<QuotaExceeded>>,
}

impl Problem {
    pub(crate) fn new(kind: impl Into<ErrorCode>, detail: impl Into<String>) -> Self {
        Self { kind: kind.into(), detail: detail.into(), full: None }
    }

    /// Something inside failed. The causes are for the log alone.
    pub(crate) fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = causes(error), "a request failed");
        Self::new(Code::Internal, error.to_string())
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Refused { code: Code::Internal, .. } | ControlError::Store(_) => Self::internal(&error),
            ControlError::Refused { code, message } => Self::new(code, message),
            ControlError::Quota(full) => Self {
                full: Some(Box::new(full.clone())),
                ..Self::new(Code::QuotaExceeded, ControlError::Quota(full).to_string())
            },
            ControlError::Component(refusal) => {
                let kind = ErrorCode {
                    code: refusal.code,
                    status: REFUSED_COMPONENT_STATUS,
                    advice: REFUSED_COMPONENT_ADVICE,
                };
                Self::new(kind, refusal.message)
            }
        }
    }
}

/// An error and what it came from.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The document.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: String,
    status: u16,
    code: &'a str,
    detail: &'a str,
    advice: &'a str,
    #[serde(flatten)]
    full: Option<FullDocument<'a>>,
}

/// Of which there are as many as there may be.
#[derive(Serialize)]
struct FullDocument<'a> {
    /// The kind of quota: `app` or `plan`.
    quota: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a str>,
    limit: u64,
    used: u64,
}

impl<'a> From<&'a QuotaExceeded> for FullDocument<'a> {
    fn from(QuotaExceeded { quota, limit, used }: &'a QuotaExceeded) -> Self {
        let (app, provider, plan) = match quota {
            Quota::App(app) => (Some(app.as_str()), None, None),
            Quota::Plan(provider, plan) => (None, Some(provider.as_str()), Some(plan.as_str())),
        };
        Self { quota: quota.as_str(), app, provider, plan, limit: *limit, used: *used }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let ErrorCode { code, status, advice } = self.kind;
        let document = Document {
            r#type: format!("urn:larder:error:{code}"),
            title: title(code),
            status,
            code,
            detail: &self.detail,
            advice,
            full: self.full.as_deref().map(FullDocument::from),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Texts and numbers can always be written.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_S);
        }
        response
    }
}

/// `unknown_app` becomes `Unknown app`.
fn title(code: &str) -> String {
    let mut title = code.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

#[cfg(test)]
mod tests;
