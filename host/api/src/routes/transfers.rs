//! Exports and imports: an addon's data as a body.
//!
//! An answer begins with the first data, so that what fails before them is told as a problem. What fails later breaks the body off:
//! a half of a dump must not look like a whole one.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use larder_control::{BrokenBody, Exported};
use larder_domain::AddonId;

use crate::extract::{InPath, NoQuery, require_encoding};
use crate::problem::Problem;
use crate::state::Shared;
use crate::time::Timestamp;
use crate::views::AddonView;

/// How a body may say that it is packed: what is packed otherwise would come to the program as it is.
const ENCODINGS: [&str; 3] = ["identity", "gzip", "x-gzip"];

/// `POST /v1/addons/{id}/exports`
pub(super) async fn export(
    State(api): State<Shared>,
    InPath(id): InPath<AddonId>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let exported = api.control.export_addon(id).await?;
    let disposition = format!("attachment; filename=\"{}\"", file_name(&exported));
    let headers = [(header::CONTENT_TYPE, exported.content_type.clone()), (header::CONTENT_DISPOSITION, disposition)];
    // After an error there is nothing more.
    let pieces = stream::unfold(Some(exported), |exported| async {
        let mut exported = exported?;
        match exported.next().await {
            Ok(bytes) => Some((Ok(Bytes::from(bytes?)), Some(exported))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// `POST /v1/addons/{id}/imports`
pub(super) async fn import(
    State(api): State<Shared>,
    InPath(id): InPath<AddonId>,
    _: NoQuery,
    request: Request,
) -> Result<Response, Problem> {
    require_encoding(request.headers(), &ENCODINGS)?;
    let pieces = request.into_body().into_data_stream();
    let pieces = pieces.map(|piece| piece.map(Vec::from).map_err(|_| BrokenBody));
    let record = api.control.import_addon(id, Box::pin(pieces)).await?;
    Ok(Json(AddonView::from(&record)).into_response())
}

/// Whose data, and of when: `demo-db-20260131T080910Z.sql`. Names of apps and addons hold nothing that a file's name may not.
fn file_name(exported: &Exported) -> String {
    let Exported { spec, asked_at, extension, .. } = exported;
    let app = spec.app.as_ref().map(|app| format!("{app}-")).unwrap_or_default();
    format!("{app}{}-{}.{extension}", spec.name, Timestamp::from(*asked_at).compact())
}
