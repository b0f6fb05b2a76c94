//! What happened to addons: in pages, or as a stream. And what their providers wrote meanwhile.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use larder_domain::AddonId;

use crate::extract::{EventsWanted, InPath, Query};
use crate::input::HistoryQuery;
use crate::problem::Problem;
use crate::sse;
use crate::state::Shared;
use crate::views::{EventsView, LogView};

/// `GET /v1/addons/{id}/events`
pub(super) async fn of_addon(
    State(api): State<Shared>,
    InPath(id): InPath<AddonId>,
    Query(query): Query<HistoryQuery>,
    wanted: EventsWanted,
) -> Result<Response, Problem> {
    history(&api, Some(id), query, wanted).await
}

/// `GET /v1/events`
pub(super) async fn of_all(
    State(api): State<Shared>,
    Query(query): Query<HistoryQuery>,
    wanted: EventsWanted,
) -> Result<Response, Problem> {
    history(&api, None, query, wanted).await
}

async fn history(
    api: &Shared,
    addon: Option<AddonId>,
    query: HistoryQuery,
    wanted: EventsWanted,
) -> Result<Response, Problem> {
    if wanted.as_stream {
        // A client that comes back still has the first address in hand, so the header is the newer of the two.
        return sse::follow(api, addon, wanted.last_id.unwrap_or(query.after)).await;
    }
    let mut entries = api.control.history(addon, query.after, query.limit.to_read()).await?;
    let next = query.limit.cut(&mut entries, |entry| entry.id);
    Ok(Json(EventsView::new(&entries, next)).into_response())
}

/// `GET /v1/addons/{id}/logs`
pub(super) async fn logs(
    State(api): State<Shared>,
    InPath(id): InPath<AddonId>,
    Query(query): Query<HistoryQuery>,
) -> Result<Response, Problem> {
    let mut lines = api.control.addon_log(id, query.after, query.limit.to_read()).await?;
    let next = query.limit.cut(&mut lines, |line| line.id);
    Ok(Json(LogView::new(&lines, next)).into_response())
}
