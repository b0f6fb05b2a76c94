//! Addons.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use larder_control::{Code, ControlError, CreateAddon};
use larder_domain::ports::store::AddonFilter;
use larder_domain::{AddonRecord, AddonState, ProvisionType};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::extract::{Strict, StrictJson, addon_id, idempotency, name, wait};
use crate::problem::Problem;
use crate::{ApiState, lists, views};

/// The body of a creation. Names are read as text, so that each wrong one has its own refusal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Creation {
    service: String,
    provider: Option<String>,
    plan: Option<String>,
    name: Option<String>,
    provision_type: Option<ProvisionType>,
    shared_experiment_name: Option<String>,
    shared_app_name: Option<String>,
    attach_as: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    protected: bool,
}

impl Creation {
    fn request(self, app: &str) -> Result<CreateAddon, ControlError> {
        if self.shared_experiment_name.is_some() || self.shared_app_name.is_some() {
            return Err(ControlError::refused(Code::NotSupported, "this host can't make shared addons"));
        }
        let attach_as = self.attach_as.map(|prefix| prefix.parse()).transpose();
        Ok(CreateAddon {
            app: name(app)?,
            service: name(&self.service)?,
            provider: self.provider.as_deref().map(name).transpose()?,
            plan: self.plan.as_deref().map(name).transpose()?,
            name: self.name.as_deref().map(name).transpose()?,
            provision_type: self.provision_type,
            attach_as: attach_as.map_err(|error: larder_domain::variables::BadPrefix| {
                ControlError::refused(Code::InvalidAttachAs, error.to_string())
            })?,
            parameters: Value::Object(self.parameters),
            protected: self.protected,
            idempotency: None,
        })
    }
}

pub(crate) async fn create(
    State(state): State<ApiState>,
    Path(app): Path<String>,
    headers: HeaderMap,
    body: StrictJson<Creation>,
) -> Result<Response, Problem> {
    let wait = wait(&headers)?;
    let mut request = body.value.request(&app)?;
    request.idempotency = idempotency(&headers, &format!("POST /v1/apps/{app}/addons"), body.sha256)?;
    let (mut record, _) = state.control.create_addon(request).await?;
    if let Some(at_most) = wait {
        record = state.control.wait_for_addon(record.spec.id, at_most).await?;
    }
    let status = match record.addon.state {
        AddonState::Ready if wait.is_some() => StatusCode::CREATED,
        AddonState::Error | AddonState::Deprovisioned if wait.is_some() => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    };
    Ok(located(status, &record, wait.map(|wait| wait.as_secs())))
}

fn located(status: StatusCode, record: &AddonRecord, waited_s: Option<u64>) -> Response {
    let mut response = (status, Json(views::addon(record))).into_response();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    };
    set("location", format!("/v1/addons/{}", record.spec.id));
    if let Some(seconds) = waited_s {
        set("preference-applied", format!("wait={seconds}"));
    }
    response
}

/// `?state=&provider=&after=&limit=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Selection {
    state: Option<String>,
    provider: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

impl Selection {
    fn filter(self) -> Result<AddonFilter, ControlError> {
        let state = |text: &str| {
            AddonState::from_name(text.trim()).ok_or_else(|| {
                let known: Vec<&str> = AddonState::ALL.iter().map(|state| state.as_str()).collect();
                ControlError::refused(Code::InvalidQuery, format!("{text:?} is no state; use {}", known.join(", ")))
            })
        };
        Ok(AddonFilter {
            app: None,
            provider: self.provider.as_deref().map(name).transpose()?,
            states: self.state.iter().flat_map(|list| list.split(',')).map(state).collect::<Result<_, _>>()?,
            after: self.after.as_deref().map(addon_id).transpose()?,
            count_max: lists::count(self.limit)?,
        })
    }
}

pub(crate) async fn list_of_app(
    State(state): State<ApiState>,
    Path(app): Path<String>,
    Strict(selection): Strict<Selection>,
) -> Result<Json<Value>, Problem> {
    let filter = AddonFilter { app: Some(name(&app)?), ..selection.filter()? };
    listed(&state, filter).await
}

pub(crate) async fn list(
    State(state): State<ApiState>,
    Strict(selection): Strict<Selection>,
) -> Result<Json<Value>, Problem> {
    listed(&state, selection.filter()?).await
}

async fn listed(state: &ApiState, filter: AddonFilter) -> Result<Json<Value>, Problem> {
    let count = filter.count_max;
    let addons = state.control.addons(filter).await?;
    let next = lists::next(&addons, count, |record| record.spec.id);
    Ok(Json(json!({ "addons": addons.iter().map(views::addon).collect::<Vec<_>>(), "next": next })))
}

pub(crate) async fn show(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let id = addon_id(&id)?;
    let record = match wait(&headers)? {
        Some(at_most) => state.control.wait_for_addon(id, at_most).await?,
        None => state.control.addon(id).await?,
    };
    Ok(Json(views::addon(&record)))
}

pub(crate) async fn delete(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Response, Problem> {
    let record = state.control.delete_addon(addon_id(&id)?).await?;
    Ok(located(StatusCode::ACCEPTED, &record, None))
}

pub(crate) async fn config(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let config = state.control.addon_config(addon_id(&id)?).await?;
    Ok(Json(views::config(&config.unwrap_or_default())))
}

/// `?after=&limit=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lines {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

pub(crate) async fn logs(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Strict(query): Strict<Lines>,
) -> Result<Json<Value>, Problem> {
    let count = lists::count(query.limit)?;
    let lines = state.control.addon_log(addon_id(&id)?, query.after, count).await?;
    let next = lines.last().map_or(query.after, |line| line.id);
    Ok(Json(json!({ "lines": lines.iter().map(views::log_line).collect::<Vec<_>>(), "next": next })))
}
