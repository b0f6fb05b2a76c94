//! The sealing key.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::extract::{NoBody, NoQuery};
use crate::problem::Problem;
use crate::state::Shared;
use crate::views::KeyView;

/// `GET /v1/key`
pub(super) async fn show(State(api): State<Shared>, _: NoQuery) -> Result<Response, Problem> {
    Ok(Json(KeyView::from(&api.control.keys().await?)).into_response())
}

/// `POST /v1/key/rotate`
pub(super) async fn rotate(State(api): State<Shared>, _: NoQuery, NoBody: NoBody) -> Result<Response, Problem> {
    let state = api.control.rotate_key().await?;
    Ok((StatusCode::ACCEPTED, Json(KeyView::from(&state))).into_response())
}
