//! The HTTP API. A handler parses, makes one call of [`Control`], converts.
//!
//! What is strict here: unknown members of a body are refused by name, every refusal is a problem document (RFC 9457) with a stable code, and
//! every body, wait and list is bounded.

mod auth;
mod extract;
mod lists;
mod problem;
mod render;
mod routes;
mod sse;
mod time;
mod upload;
mod views;

use std::sync::Arc;

use axum::Router;
use larder_control::Control;

pub use auth::Tokens;
pub use upload::UPLOAD_BYTES_MAX;

/// How the API is set up.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    tokens: Tokens,
    hosts: Arc<[String]>,
}

impl ApiConfig {
    /// Answers to whoever knows a token, and calls the server by an address, as `localhost`, or by one of these names.
    #[must_use]
    pub fn new(tokens: Tokens, hosts: Vec<String>) -> Self {
        Self { tokens, hosts: hosts.into() }
    }
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct ApiState {
    control: Control,
    config: ApiConfig,
    uploads: Arc<tokio::sync::Semaphore>,
}

/// All routes.
pub fn router(control: Control, config: ApiConfig) -> Router {
    let uploads = Arc::new(tokio::sync::Semaphore::new(upload::UPLOADS_AT_ONCE_MAX));
    routes::all(ApiState { control, config, uploads })
}
