//! Backups: everything that the installation is made of, as a body.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::extract::NoQuery;
use crate::problem::Problem;
use crate::state::Shared;
use crate::time::Timestamp;

const MEDIA_TYPE: &str = "application/vnd.larder.backup";

/// `POST /v1/backups`
///
/// The length is told beforehand, so whatever breaks the body off is noticed.
pub(super) async fn make(State(api): State<Shared>, _: NoQuery) -> Result<Response, Problem> {
    let backup = api.control.backup().await?;
    let name = format!("larder-{}.backup", Timestamp::from(backup.made_at).compact());
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE.to_owned()),
        (header::CONTENT_LENGTH, backup.bytes.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    let pieces = stream::unfold(backup, |mut backup| async {
        let piece = backup.next().await?;
        Some((piece.map(Bytes::from), backup))
    });
    Ok((headers, Body::from_stream(pieces)).into_response())
}
