//! Providers: uploaded, listed, granted what they ask for, activated, removed.

mod grants;
mod limits;
mod options;
mod quotas;
mod upload;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use larder_domain::provider::Provider;
use larder_domain::{Digest, ProviderName};

use crate::extract::{InPath, NoBody, NoQuery, Query, Revision};
use crate::input::ForceQuery;
use crate::problem::Problem;
use crate::state::Shared;
use crate::views::{ProviderView, ProvidersView, VersionView};

pub(super) use grants::set as set_grants;
pub(super) use limits::set as set_limits;
pub(super) use options::set as set_options;
pub(super) use quotas::set as set_quotas;
pub(super) use upload::upload;

/// `GET /v1/providers`
pub(super) async fn list(State(api): State<Shared>, _: NoQuery) -> Result<Response, Problem> {
    let providers = api.control.providers().await?;
    Ok(Json(ProvidersView::from(&*providers)).into_response())
}

/// `GET /v1/providers/{name}`
pub(super) async fn show(
    State(api): State<Shared>,
    InPath(name): InPath<ProviderName>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let provider = api.control.provider(&name).await?;
    Ok(tagged(&provider))
}

/// A provider with the revision that a change of it has to name.
fn tagged(provider: &Provider) -> Response {
    Revision(provider.revision).tagged(Json(ProviderView::from(provider)))
}

/// `GET /v1/providers/{name}/versions/{digest}`
pub(super) async fn version(
    State(api): State<Shared>,
    InPath((name, digest)): InPath<(ProviderName, Digest)>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let version = api.control.version(&name, digest).await?;
    let view = VersionView::new(&version, &api.control.grants(&name).await?).at(api.control.check_stage(digest));
    Ok(Json(view).into_response())
}

/// `POST /v1/providers/{name}/versions/{digest}/activate`
pub(super) async fn activate(
    State(api): State<Shared>,
    InPath((name, digest)): InPath<(ProviderName, Digest)>,
    _: NoQuery,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    let provider = api.control.activate(&name, digest).await?;
    Ok(Json(ProviderView::from(&provider)).into_response())
}

/// `DELETE /v1/providers/{name}`
pub(super) async fn remove(
    State(api): State<Shared>,
    InPath(name): InPath<ProviderName>,
    Query(query): Query<ForceQuery>,
) -> Result<StatusCode, Problem> {
    api.control.remove_provider(&name, query.force).await?;
    Ok(StatusCode::NO_CONTENT)
}
