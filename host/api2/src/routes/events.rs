//! The history: as a list, or as a stream for whoever accepts one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse, Response};
use larder_control::{Code, ControlError};
use larder_domain::AddonId;
use serde::Deserialize;
use serde_json::json;

use crate::extract::{Strict, addon_id};
use crate::problem::Problem;
use crate::{ApiState, lists, sse, views};

/// `?after=&limit=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Portion {
    after: Option<u64>,
    limit: Option<usize>,
}

pub(crate) async fn of_addon(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Strict(query): Strict<Portion>,
) -> Result<Response, Problem> {
    let id = addon_id(&id)?;
    // Checked before a stream begins: afterwards it is too late for a problem.
    state.control.addon(id).await?;
    answer(&state, Some(id), &headers, &query).await
}

pub(crate) async fn all(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Strict(query): Strict<Portion>,
) -> Result<Response, Problem> {
    answer(&state, None, &headers, &query).await
}

async fn answer(
    state: &ApiState,
    addon: Option<AddonId>,
    headers: &HeaderMap,
    query: &Portion,
) -> Result<Response, Problem> {
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/event-stream") {
        let after = last_event_id(headers)?.or(query.after).unwrap_or(0);
        return Ok(sse::follow(state.control.clone(), addon, after));
    }
    let count = lists::count(query.limit)?;
    let entries = state.control.history(addon, query.after.unwrap_or(0), count).await?;
    let next = entries.last().map_or(query.after.unwrap_or(0), |entry| entry.id);
    Ok(Json(json!({ "events": entries.iter().map(views::event).collect::<Vec<_>>(), "next": next })).into_response())
}

/// Where a client that comes again was: the header that browsers send by themselves (HTML, section 9.2, server-sent events).
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ControlError> {
    let Some(header) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let id = header.to_str().ok().and_then(|text| text.trim().parse().ok());
    id.map(Some)
        .ok_or_else(|| ControlError::refused(Code::InvalidQuery, "the Last-Event-ID is not one of this server's"))
}
