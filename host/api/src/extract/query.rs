//! Query parameters, strictly: a parameter that a route doesn't know is refused by name rather than passed over, since it may
//! be a misspelt one that was to keep something from happening.

use axum::extract::{FromRequestParts, Query as Parsed};
use axum::http::request::Parts;
use larder_control::Code;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A route's query parameters. `T` is to deny unknown fields.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parse(parts).map(Self)
    }
}

/// For routes that have no parameters.
pub(crate) struct NoQuery;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parse(parts).map(|Nothing {}| Self)
    }
}

fn parse<T: DeserializeOwned>(parts: &Parts) -> Result<T, Problem> {
    let Parsed(query) = Parsed::try_from_uri(&parts.uri).map_err(|rejection| {
        let text = rejection.body_text();
        let reason = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        Problem::new(Code::InvalidQuery, format!("the query can't be understood: {reason}"))
    })?;
    Ok(query)
}
