//! Apps and their variables.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use larder_domain::ports::store::AppVariable;
use larder_domain::{AppName, SecretString, VariableName};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::extract::{Strict, StrictJson, name};
use crate::problem::Problem;
use crate::render::{Format, render};
use crate::{ApiState, lists};

/// `?after=&limit=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Portion {
    after: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn list(
    State(state): State<ApiState>,
    Strict(query): Strict<Portion>,
) -> Result<Json<Value>, Problem> {
    let count = lists::count(query.limit)?;
    let after = query.after.map(|after| name(&after)).transpose()?;
    let apps = state.control.apps(after, count).await?;
    let next = lists::next(&apps, count, |(app, _)| app.clone());
    let apps: Vec<Value> = apps.iter().map(|(app, addons)| json!({ "name": app, "addons": addons })).collect();
    Ok(Json(json!({ "apps": apps, "next": next })))
}

pub(crate) async fn create(State(state): State<ApiState>, Path(app): Path<String>) -> Result<Response, Problem> {
    let app: AppName = name(&app)?;
    let status = if state.control.create_app(&app).await? { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(json!({ "name": app }))).into_response())
}

pub(crate) async fn show(State(state): State<ApiState>, Path(app): Path<String>) -> Result<Json<Value>, Problem> {
    let app: AppName = name(&app)?;
    let addons = state.control.count_addons(&app).await?;
    Ok(Json(json!({ "name": app, "addons": addons })))
}

/// `?cascade=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deletion {
    #[serde(default)]
    cascade: bool,
}

pub(crate) async fn delete(
    State(state): State<ApiState>,
    Path(app): Path<String>,
    Strict(query): Strict<Deletion>,
) -> Result<StatusCode, Problem> {
    state.control.delete_app(&name(&app)?, query.cascade).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `?format=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rendering {
    format: Option<Format>,
}

pub(crate) async fn config(
    State(state): State<ApiState>,
    Path(app): Path<String>,
    Strict(query): Strict<Rendering>,
) -> Result<Response, Problem> {
    let app: AppName = name(&app)?;
    match query.format.unwrap_or(Format::Json) {
        Format::Json => Ok(Json(variables(&state.control.app_config(&app).await?)).into_response()),
        format => {
            let text = render(&state.control.app_environment(&app).await?, format)?;
            Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
        }
    }
}

pub(crate) async fn patch_config(
    State(state): State<ApiState>,
    Path(app): Path<String>,
    body: StrictJson<BTreeMap<String, Option<String>>>,
) -> Result<Json<Value>, Problem> {
    let app: AppName = name(&app)?;
    let patch = body.value.into_iter().map(own_variable).collect::<Result<Vec<_>, _>>()?;
    state.control.patch_app_config(&app, patch).await?;
    Ok(Json(variables(&state.control.app_config(&app).await?)))
}

/// A change of one variable, with its name and value checked.
fn own_variable(
    (name, value): (String, Option<String>),
) -> Result<(VariableName, Option<SecretString>), larder_control::ControlError> {
    let name: VariableName = name.parse()?;
    larder_control::check_own_value(&name, value.as_deref())?;
    Ok((name, value.map(SecretString::new)))
}

fn variables(config: &[AppVariable]) -> Value {
    let plain: Map<String, Value> = config.iter().map(|v| (v.name.to_string(), v.value.reveal().into())).collect();
    let details: Vec<Value> = config
        .iter()
        .map(|v| json!({ "name": v.name, "value": v.value.reveal(), "secret": v.secret, "addon": v.addon }))
        .collect();
    json!({ "variables": plain, "details": details })
}
