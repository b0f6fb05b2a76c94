//! Whether the host lives, and whether it can work.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use larder_control::Code;
use larder_domain::ports::store::Standing;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::problem::{Problem, causes};
use crate::state::Shared;

/// How long the store may take to answer.
const READY_WAIT: Duration = Duration::from_secs(5);

/// `GET /healthz`
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /readyz`
pub(super) async fn readyz(State(api): State<Shared>) -> Result<Json<Value>, Problem> {
    let not_ready = |detail| Problem::new(Code::NotServing, detail);
    match timeout(READY_WAIT, api.control.standing()).await {
        Ok(Ok(Standing::Working)) => Ok(Json(json!({ "status": "ready" }))),
        Ok(Ok(Standing::Draining)) => {
            Err(not_ready("this node is drained: others go on (`larder node resume` ends that)"))
        }
        Ok(Ok(Standing::Replaced)) => {
            Err(not_ready("another server runs under this node's name, and this one writes no more"))
        }
        Ok(Ok(Standing::OtherKey)) => Err(not_ready(
            "the installation's key was rotated while this node was away: stop it, copy `sealing.key` from a node that works, and start it again",
        )),
        Ok(Err(error)) => {
            tracing::warn!(error = causes(&error), "the host is not ready");
            Err(not_ready("the store can't be read"))
        }
        Err(_) => Err(not_ready("the store does not answer")),
    }
}
