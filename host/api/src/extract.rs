//! What handlers ask for in their arguments: path, query, headers and body, each refused as a problem of its own if it is not as it should be.

mod headers;
mod json;
mod path;
mod query;

pub(crate) use headers::{EventsWanted, IdempotencyKey, Revision, Wait, require_encoding, require_media_type};
pub(crate) use json::{JsonBody, NoBody};
pub(crate) use path::{InPath, NewEngineName};
pub(crate) use query::{NoQuery, Query};
