//! Names and identifiers in paths.
//!
//! A text that can't name an app or a provider is a mistake worth pointing out; one that can't be an addon's identifier or a
//! version's digest is just one that doesn't exist.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use larder_control::{Code, ControlError};
use larder_domain::{AddonId, AppName, Digest, EngineName, NodeName, ProviderName};

use crate::problem::Problem;

/// The longest part of a stranger's text that a message repeats, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// The path's variable parts, in their order.
pub(crate) struct InPath<T>(pub(crate) T);

/// Something that can stand in a path.
pub(crate) trait Segment: Sized {
    fn parse(text: &str) -> Result<Self, ControlError>;
}

impl Segment for AppName {
    fn parse(text: &str) -> Result<Self, ControlError> {
        Ok(text.parse()?)
    }
}

impl Segment for ProviderName {
    fn parse(text: &str) -> Result<Self, ControlError> {
        Ok(text.parse()?)
    }
}

impl Segment for AddonId {
    fn parse(text: &str) -> Result<Self, ControlError> {
        text.parse().map_err(|_| missing(Code::UnknownAddon, "addon", text))
    }
}

impl Segment for NodeName {
    fn parse(text: &str) -> Result<Self, ControlError> {
        Ok(text.parse()?)
    }
}

impl Segment for EngineName {
    fn parse(text: &str) -> Result<Self, ControlError> {
        text.parse().map_err(|_| missing(Code::UnknownEngine, "engine", text))
    }
}

/// The name of an engine that there may not be yet.
pub(crate) struct NewEngineName(pub(crate) EngineName);

impl Segment for NewEngineName {
    fn parse(text: &str) -> Result<Self, ControlError> {
        Ok(Self(text.parse()?))
    }
}

impl Segment for Digest {
    fn parse(text: &str) -> Result<Self, ControlError> {
        text.parse().map_err(|_| missing(Code::UnknownVersion, "version", text))
    }
}

fn missing(code: Code, what: &str, text: &str) -> ControlError {
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    ControlError::refused(code, format!("there is no {what} {shown:?}"))
}

impl<S: Send + Sync, A: Segment> FromRequestParts<S> for InPath<A> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let texts = texts(parts, state).await?;
        Ok(Self(nth(&texts, 0)?))
    }
}

impl<S: Send + Sync, A: Segment, B: Segment> FromRequestParts<S> for InPath<(A, B)> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let texts = texts(parts, state).await?;
        Ok(Self((nth(&texts, 0)?, nth(&texts, 1)?)))
    }
}

async fn texts<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Vec<String>, Problem> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|_| Problem::new(Code::InvalidName, "a name in the path is not valid UTF-8"))?;
    Ok(params.iter().map(|(_, text)| text.to_owned()).collect())
}

fn nth<T: Segment>(texts: &[String], index: usize) -> Result<T, Problem> {
    // A part that the route doesn't have is as good as an empty one.
    Ok(T::parse(texts.get(index).map_or("", String::as_str))?)
}
