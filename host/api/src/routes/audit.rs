//! What was done to providers.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::extract::Query;
use crate::input::AuditQuery;
use crate::problem::Problem;
use crate::state::Shared;
use crate::views::AuditView;

/// `GET /v1/audit`
pub(super) async fn list(State(api): State<Shared>, Query(query): Query<AuditQuery>) -> Result<Response, Problem> {
    let mut entries = api.control.audit(query.provider, query.before, query.limit.to_read()).await?;
    let next = query.limit.cut(&mut entries, |entry| entry.id);
    Ok(Json(AuditView::new(&entries, next)).into_response())
}
