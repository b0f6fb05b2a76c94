//! The routes and the layers around them.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use larder_control::{Code, Control};
use tower_http::catch_panic::CatchPanicLayer;

use crate::auth::require_token;
use crate::config::ApiConfig;
use crate::hosts::require_own_host;
use crate::observe::observe;
use crate::problem::Problem;
use crate::routes;
use crate::state::Api;
use crate::turns::turn_away;

/// The whole API, ready to be served.
pub fn router(control: Control, config: ApiConfig) -> Router {
    let api = Arc::new(Api::new(control, config));
    let open = routes::open().method_not_allowed_fallback(method_not_allowed);
    let closed = routes::v1(&api)
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(Arc::clone(&api), require_token));
    // The last layer is the outermost. The net for panics is inside of the span, so that a panic is told with its request.
    open.merge(closed)
        .layer(from_fn(turn_away))
        .layer(from_fn_with_state(Arc::clone(&api), require_own_host))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(observe))
        .with_state(api)
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(Code::NotFound, format!("there is no route {}", shown(uri.path())))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} is no method of {}", shown(method.as_str()), shown(uri.path()));
    Problem::new(Code::MethodNotAllowed, detail)
}

/// As much of a stranger's text as a message repeats.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    text.chars().take(CHARS_MAX).collect()
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = words.unwrap_or("without words"), "a handler panicked");
    Problem::new(Code::Internal, "the host failed in the middle of the request").into_response()
}
