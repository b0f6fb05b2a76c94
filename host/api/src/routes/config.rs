//! An app's variables.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use larder_control::Control;
use larder_domain::AppName;

use crate::extract::{InPath, JsonBody, NoQuery, Query};
use crate::input::{ConfigPatchBody, ConfigQuery, Format};
use crate::problem::Problem;
use crate::render;
use crate::state::Shared;
use crate::views::AppConfigView;

const TEXT: &str = "text/plain; charset=utf-8";

/// `GET /v1/apps/{app}/config`
pub(super) async fn show(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    Query(query): Query<ConfigQuery>,
) -> Result<Response, Problem> {
    let text = match query.format {
        Format::Json => return as_json(&api.control, &app).await,
        Format::Env => render::posix_shell(&api.control.app_environment(&app).await?),
        Format::Docker => render::docker(&api.control.app_environment(&app).await?)?,
        Format::Systemd => render::systemd(&api.control.app_environment(&app).await?),
    };
    Ok(([(header::CONTENT_TYPE, TEXT)], text).into_response())
}

/// `PATCH /v1/apps/{app}/config`
pub(super) async fn change(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    _: NoQuery,
    body: JsonBody<ConfigPatchBody>,
) -> Result<Response, Problem> {
    api.control.patch_app_config(&app, body.value.into_patch()?).await?;
    as_json(&api.control, &app).await
}

async fn as_json(control: &Control, app: &AppName) -> Result<Response, Problem> {
    let environment = control.app_environment(app).await?;
    let owned = control.app_config(app).await?;
    Ok(Json(AppConfigView::new(&environment, &owned)).into_response())
}
