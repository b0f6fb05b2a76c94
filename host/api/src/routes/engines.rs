//! Docker engines, and what on them is nobody's.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use larder_domain::EngineName;
use larder_domain::secret::SecretJson;
use serde_json::json;

use crate::extract::{InPath, JsonBody, NewEngineName, NoBody, NoQuery};
use crate::problem::Problem;
use crate::state::Shared;
use crate::views::{EngineView, PrunedView};

/// `GET /v1/engines`
pub(super) async fn list(State(api): State<Shared>, _: NoQuery) -> Result<Response, Problem> {
    let reports = api.control.engine_reports().await?;
    let engines: Vec<EngineView<'_>> = reports.iter().map(EngineView::from).collect();
    Ok(Json(json!({ "engines": engines })).into_response())
}

/// `PUT /v1/engines/{engine}`
pub(super) async fn add(
    State(api): State<Shared>,
    InPath(engine): InPath<NewEngineName>,
    _: NoQuery,
    JsonBody { value: definition, .. }: JsonBody<SecretJson>,
) -> Result<Response, Problem> {
    let (is_new, report) = api.control.add_engine(&engine.0, definition).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(EngineView::from(&report))).into_response())
}

/// `DELETE /v1/engines/{engine}`
pub(super) async fn forget(
    State(api): State<Shared>,
    InPath(engine): InPath<EngineName>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let addons = api.control.forget_engine(&engine).await?;
    Ok(Json(json!({ "addons": addons })).into_response())
}

/// `POST /v1/engines/prune`
pub(super) async fn prune(State(api): State<Shared>, _: NoQuery, NoBody: NoBody) -> Result<Response, Problem> {
    let pruned = api.control.prune_engines().await?;
    Ok(Json(PrunedView::from(&pruned)).into_response())
}

/// `POST /v1/engines/{engine}/drain`
pub(super) async fn drain(
    State(api): State<Shared>,
    InPath(engine): InPath<EngineName>,
    _: NoQuery,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    api.control.drain_engine(&engine, true).await?;
    Ok(Json(json!({ "name": engine, "drained": true })).into_response())
}

/// `POST /v1/engines/{engine}/resume`
pub(super) async fn resume(
    State(api): State<Shared>,
    InPath(engine): InPath<EngineName>,
    _: NoQuery,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    api.control.drain_engine(&engine, false).await?;
    Ok(Json(json!({ "name": engine, "drained": false })).into_response())
}
