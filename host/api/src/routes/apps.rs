//! Apps: created, listed, deleted.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use larder_domain::AppName;

use crate::extract::{InPath, JsonBody, NoBody, NoQuery, Query};
use crate::input::{AppEngineBody, AppNetworkBody, AppQuotaBody, AppsQuery, DeleteAppQuery};
use crate::problem::Problem;
use crate::state::Shared;
use crate::views::{AppEngineView, AppNameView, AppNetworkView, AppQuotaView, AppView, AppsView};

/// `GET /v1/apps`
pub(super) async fn list(State(api): State<Shared>, Query(query): Query<AppsQuery>) -> Result<Response, Problem> {
    let mut apps = api.control.apps(query.after, query.limit.to_read()).await?;
    let next = query.limit.cut(&mut apps, |(name, _)| name.clone());
    Ok(Json(AppsView::new(&apps, api.control.app_addons_max(), next.as_ref())).into_response())
}

/// `GET /v1/apps/{app}`
pub(super) async fn show(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let used = api.control.app_use(&app).await?;
    Ok(Json(AppView::new(&app, used, api.control.app_addons_max())).into_response())
}

/// `PUT /v1/apps/{app}`
pub(super) async fn create(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    _: NoQuery,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    let is_new = api.control.create_app(&app).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, format!("/v1/apps/{app}"))];
    Ok((status, location, Json(AppNameView { name: app.as_str() })).into_response())
}

/// `DELETE /v1/apps/{app}`
pub(super) async fn delete(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    Query(query): Query<DeleteAppQuery>,
) -> Result<StatusCode, Problem> {
    api.control.delete_app(&app, query.cascade).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/apps/{app}/engine`
pub(super) async fn engine(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let wish = api.control.app_engine(&app).await?;
    Ok(Json(AppEngineView { engine: wish.map(String::from) }).into_response())
}

/// `PUT /v1/apps/{app}/engine`
pub(super) async fn set_engine(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    _: NoQuery,
    JsonBody { value: body, .. }: JsonBody<AppEngineBody>,
) -> Result<Response, Problem> {
    let wish = body.into_wish()?;
    api.control.set_app_engine(&app, wish.clone()).await?;
    Ok(Json(AppEngineView { engine: wish.map(String::from) }).into_response())
}

/// `GET /v1/apps/{app}/network`
pub(super) async fn network(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let network = api.control.app_network(&app).await?;
    Ok(Json(AppNetworkView { network: network.map(String::from) }).into_response())
}

/// `PUT /v1/apps/{app}/network`
pub(super) async fn set_network(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    _: NoQuery,
    JsonBody { value: body, .. }: JsonBody<AppNetworkBody>,
) -> Result<Response, Problem> {
    let network = body.into_network()?;
    api.control.set_app_network(&app, network.clone()).await?;
    Ok(Json(AppNetworkView { network: network.map(String::from) }).into_response())
}

/// `GET /v1/apps/{app}/quota`
pub(super) async fn quota(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let used = api.control.app_use(&app).await?;
    Ok(Json(AppQuotaView::new(used, api.control.app_addons_max())).into_response())
}

/// `PUT /v1/apps/{app}/quota`
pub(super) async fn set_quota(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    _: NoQuery,
    JsonBody { value: body, .. }: JsonBody<AppQuotaBody>,
) -> Result<Response, Problem> {
    let used = api.control.set_app_quota(&app, body.addons_max()).await?;
    Ok(Json(AppQuotaView::new(used, api.control.app_addons_max())).into_response())
}
