//! Whether the host lives, and whether it can work.

use axum::Json;
use axum::extract::State;
use larder_control::{Code, ControlError};
use serde_json::{Value, json};

use crate::ApiState;
use crate::problem::Problem;

/// The process answers.
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The store answers too.
pub(crate) async fn ready(State(state): State<ApiState>) -> Result<Json<Value>, Problem> {
    match state.control.ready().await {
        Ok(()) => Ok(Json(json!({ "status": "ready" }))),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(ControlError::refused(Code::Overloaded, "the store does not answer").into())
        }
    }
}
