//! Addons: created, listed, shown, changed, deleted, had back.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use larder_domain::ports::store::AddonFilter;
use larder_domain::{AddonId, AddonRecord, AddonState, AppName};

use crate::auth::Caller;
use crate::extract::{IdempotencyKey, InPath, JsonBody, NoBody, NoQuery, Query, Wait};
use crate::input::{AddonsQuery, CreateBody, DeleteAddonQuery, PatchBody, RotateBody};
use crate::problem::Problem;
use crate::state::Shared;
use crate::turns::Turn;
use crate::views::{AddonConfigView, AddonView, AddonsView};

/// `POST /v1/apps/{app}/addons`
pub(super) async fn create(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    (Extension(caller), turn): (Extension<Caller>, Turn),
    _: NoQuery,
    key: IdempotencyKey,
    wait: Wait,
    body: JsonBody<CreateBody>,
) -> Result<Response, Problem> {
    let idempotency = key.with(caller, &format!("apps/{app}/addons"), &body.bytes);
    let request = body.value.into_request(app, idempotency)?;
    let (record, _) = match wait.at_most() {
        Some(at_most) => api.control.create_addon_and_wait(request, at_most, || turn.give_back()).await?,
        None => api.control.create_addon(request).await?,
    };
    let location = [(header::LOCATION, format!("/v1/addons/{}", record.spec.id))];
    Ok(wait.applied((created(&record, wait), location, Json(AddonView::from(&record)))))
}

/// Who waited is told by the status how it ended.
fn created(record: &AddonRecord, wait: Wait) -> StatusCode {
    match record.addon.state {
        _ if wait.at_most().is_none() => StatusCode::ACCEPTED,
        AddonState::WaitingForProvision | AddonState::Provisioned => StatusCode::ACCEPTED,
        AddonState::Ready => StatusCode::CREATED,
        AddonState::Deprovisioned | AddonState::Error => StatusCode::OK,
    }
}

/// `GET /v1/apps/{app}/addons`
pub(super) async fn of_app(
    State(api): State<Shared>,
    InPath(app): InPath<AppName>,
    Query(query): Query<AddonsQuery>,
) -> Result<Response, Problem> {
    list(&api, Some(app), query).await
}

/// `GET /v1/addons`
pub(super) async fn of_all(State(api): State<Shared>, Query(query): Query<AddonsQuery>) -> Result<Response, Problem> {
    list(&api, None, query).await
}

async fn list(api: &Shared, app: Option<AppName>, query: AddonsQuery) -> Result<Response, Problem> {
    let filter = AddonFilter {
        app,
        provider: query.provider,
        states: query.state.0,
        kept: query.kept,
        after: query.after,
        count_max: query.limit.to_read(),
    };
    let mut addons = api.control.addons(filter).await?;
    let next = query.limit.cut(&mut addons, |record| record.spec.id);
    Ok(Json(AddonsView::new(&addons, next)).into_response())
}

/// `GET /v1/addons/{id}`
pub(super) async fn show(
    State(api): State<Shared>,
    InPath(id): InPath<AddonId>,
    turn: Turn,
    _: NoQuery,
    wait: Wait,
) -> Result<Response, Problem> {
    let record = match wait.at_most() {
        Some(at_most) => {
            turn.give_back();
            api.control.wait_for_addon(id, at_most).await?
        }
        None => api.control.addon(id).await?,
    };
    Ok(wait.applied(Json(AddonView::from(&record))))
}

/// `PATCH /v1/addons/{id}`
pub(super) async fn patch(
    State(api): State<Shared>,
    InPath(id): InPath<AddonId>,
    turn: Turn,
    _: NoQuery,
    wait: Wait,
    body: JsonBody<PatchBody>,
) -> Result<Response, Problem> {
    let record = api.control.patch_addon(id, body.value.into_patch()).await?;
    turn.give_back();
    operated(&api, record, wait).await
}

/// `POST /v1/addons/{id}/rotate`
pub(super) async fn rotate(
    State(api): State<Shared>,
    InPath(id): InPath<AddonId>,
    turn: Turn,
    _: NoQuery,
    wait: Wait,
    body: JsonBody<RotateBody>,
) -> Result<Response, Problem> {
    let record = api.control.rotate_addon(id, body.value.overlap_ms()).await?;
    turn.give_back();
    operated(&api, record, wait).await
}

/// An addon on which an operation may be under way: 202 as long as somebody may want to wait for it.
async fn operated(api: &Shared, record: AddonRecord, wait: Wait) -> Result<Response, Problem> {
    let record = match wait.at_most() {
        Some(at_most) if !record.addon.is_settled() => waited(api, record, at_most).await,
        _ => record,
    };
    let status = if record.addon.is_settled() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(wait.applied((status, Json(AddonView::from(&record)))))
}

/// The addon as it is after a wait; as it was, if that can't be said: what was asked for is begun, and must not seem to be refused.
async fn waited(api: &Shared, record: AddonRecord, at_most: Duration) -> AddonRecord {
    api.control.wait_for_addon(record.spec.id, at_most).await.unwrap_or(record)
}

/// `DELETE /v1/addons/{id}`
pub(super) async fn delete(
    State(api): State<Shared>,
    InPath(id): InPath<AddonId>,
    Query(query): Query<DeleteAddonQuery>,
) -> Result<Response, Problem> {
    let record = match query.now {
        true => api.control.delete_addon_now(id, query.force).await?,
        false => api.control.delete_addon(id, query.force).await?,
    };
    Ok((StatusCode::ACCEPTED, Json(AddonView::from(&record))).into_response())
}

/// `POST /v1/addons/{id}/undelete`
pub(super) async fn undelete(
    State(api): State<Shared>,
    InPath(id): InPath<AddonId>,
    turn: Turn,
    _: NoQuery,
    wait: Wait,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    let mut record = api.control.undelete_addon(id).await?;
    if let Some(at_most) = wait.at_most() {
        turn.give_back();
        record = waited(&api, record, at_most).await;
    }
    let status = match record.addon.state {
        AddonState::WaitingForProvision | AddonState::Provisioned => StatusCode::ACCEPTED,
        AddonState::Ready | AddonState::Deprovisioned | AddonState::Error => StatusCode::OK,
    };
    Ok(wait.applied((status, Json(AddonView::from(&record)))))
}

/// `GET /v1/addons/{id}/config`
pub(super) async fn config(
    State(api): State<Shared>,
    InPath(id): InPath<AddonId>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let reached = api.control.addon_config(id).await?;
    Ok(Json(AddonConfigView::new(reached.config.as_ref(), &reached.places)).into_response())
}
