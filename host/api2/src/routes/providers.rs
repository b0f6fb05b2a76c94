//! Providers, their versions, and the catalog.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use larder_control::{Code, ControlError};
use larder_domain::provider::{Version, VersionState};
use larder_domain::{Digest, ProviderName};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::extract::{Strict, name, require_type, wait};
use crate::problem::Problem;
use crate::{ApiState, upload, views};

pub(crate) async fn list(State(state): State<ApiState>) -> Result<Json<Value>, Problem> {
    let providers = state.control.providers().await?;
    Ok(Json(json!({ "providers": providers.iter().map(views::provider).collect::<Vec<_>>() })))
}

/// `?name=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upload {
    name: String,
}

pub(crate) async fn upload(
    State(state): State<ApiState>,
    Strict(query): Strict<Upload>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let checked = name(&query.name).and_then(|provider: ProviderName| {
        require_type(&headers, "application/wasm")?;
        Ok((provider, wait(&headers)?))
    });
    let (provider, wait) = match checked {
        Ok(checked) => checked,
        Err(refusal) => {
            upload::discard(body).await;
            return Err(refusal.into());
        }
    };
    let wasm = upload::read(&headers, body, &state.uploads).await?;
    let uploaded = state.control.upload(&provider, wasm).await?;
    let mut version = uploaded.version;
    if let Some(at_most) = wait {
        version = state.control.wait_for_version(&provider, version.digest, at_most).await?;
    }
    let status = if uploaded.known { StatusCode::OK } else { status(&version) };
    let location = format!("/v1/providers/{provider}/versions/{}", version.digest);
    Ok((status, [("location", location)], Json(views::version(&version))).into_response())
}

const fn status(version: &Version) -> StatusCode {
    match version.state {
        VersionState::Active | VersionState::Inactive => StatusCode::CREATED,
        VersionState::Checking | VersionState::WaitingForApproval => StatusCode::ACCEPTED,
        VersionState::Refused => StatusCode::OK,
    }
}

pub(crate) async fn show(State(state): State<ApiState>, Path(provider): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(views::provider(&state.control.provider(&name(&provider)?).await?)))
}

pub(crate) async fn version(
    State(state): State<ApiState>,
    Path((provider, digest)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let version = state.control.version(&name(&provider)?, parse(&digest)?).await?;
    Ok(Json(views::version(&version)))
}

pub(crate) async fn activate(
    State(state): State<ApiState>,
    Path((provider, digest)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let provider = state.control.activate(&name(&provider)?, parse(&digest)?).await?;
    Ok(Json(views::provider(&provider)))
}

/// `?force=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Removal {
    #[serde(default)]
    force: bool,
}

pub(crate) async fn remove(
    State(state): State<ApiState>,
    Path(provider): Path<String>,
    Strict(query): Strict<Removal>,
) -> Result<StatusCode, Problem> {
    state.control.remove_provider(&name(&provider)?, query.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn catalog(State(state): State<ApiState>) -> Result<Json<Value>, Problem> {
    Ok(Json(views::catalog(&*state.control.offers().await?)))
}

fn parse(digest: &str) -> Result<Digest, ControlError> {
    digest
        .parse()
        .map_err(|error: larder_domain::ids::BadDigest| ControlError::refused(Code::UnknownVersion, error.to_string()))
}
