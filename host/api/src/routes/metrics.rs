//! What was counted, for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::extract::NoQuery;
use crate::problem::Problem;
use crate::state::Shared;

/// The OpenMetrics text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const END: &str = "# EOF\n";

/// `GET /metrics`
pub(super) async fn show(State(api): State<Shared>, _: NoQuery) -> Result<Response, Problem> {
    let text = api.control.metrics().await?;
    // Its last line says that there is nothing more.
    let text = format!("{}{}{END}", text.strip_suffix(END).unwrap_or(&text), api.turns.metrics());
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
