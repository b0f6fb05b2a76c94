//! What can be provisioned now.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::extract::NoQuery;
use crate::problem::Problem;
use crate::state::Shared;
use crate::views::CatalogView;

/// `GET /v1/catalog`
pub(super) async fn list(State(api): State<Shared>, _: NoQuery) -> Result<Response, Problem> {
    let offers = api.control.offers().await?;
    Ok(Json(CatalogView::from(&*offers)).into_response())
}
