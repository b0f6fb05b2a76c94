//! The nodes that share the store.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use larder_domain::NodeName;
use serde_json::json;

use crate::extract::{InPath, NoBody, NoQuery};
use crate::problem::Problem;
use crate::state::Shared;
use crate::views::NodeView;

/// `GET /v1/nodes`
pub(super) async fn list(State(api): State<Shared>, _: NoQuery) -> Result<Response, Problem> {
    let nodes = api.control.nodes().await?;
    let nodes: Vec<NodeView<'_>> = nodes.iter().map(NodeView::from).collect();
    Ok(Json(json!({ "nodes": nodes })).into_response())
}

/// `POST /v1/nodes/{node}/drain`
pub(super) async fn drain(
    State(api): State<Shared>,
    InPath(node): InPath<NodeName>,
    _: NoQuery,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    let node = api.control.drain_node(&node, true).await?;
    Ok(Json(NodeView::from(&node)).into_response())
}

/// `POST /v1/nodes/{node}/resume`
pub(super) async fn resume(
    State(api): State<Shared>,
    InPath(node): InPath<NodeName>,
    _: NoQuery,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    let node = api.control.drain_node(&node, false).await?;
    Ok(Json(NodeView::from(&node)).into_response())
}
