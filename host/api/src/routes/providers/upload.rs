//! `POST /v1/providers`: takes a component in, and waits for its check if the client wants that.

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use larder_control::{Code, ControlError, Uploaded};
use larder_domain::ProviderName;
use larder_domain::provider::VersionState;

use crate::extract::{Query, Wait};
use crate::input::UploadQuery;
use crate::problem::Problem;
use crate::state::{Api, Shared};
use crate::upload::Place;
use crate::views::VersionView;

/// `POST /v1/providers?name=NAME`
pub(crate) async fn upload(State(api): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let Admitted { name, wait, place } = match admit(&api, &mut parts).await {
        Ok(admitted) => admitted,
        Err(problem) => {
            api.uploads.discard(&parts.headers, body).await;
            return Err(problem);
        }
    };
    let received = place.receive(body).await?;
    let mut uploaded = api.control.upload(&name, received.wasm).await?;
    drop((received.place, place));
    if let Some(at_most) = wait.at_most() {
        uploaded.version = api.control.wait_for_version(&name, uploaded.version.digest, at_most).await?;
    }
    let stage = api.control.check_stage(uploaded.version.digest);
    let grants = api.control.grants(&name).await?;
    let view = VersionView::new(&uploaded.version, &grants).at(stage);
    Ok(answer(&name, &uploaded, &view, wait))
}

/// An upload whose body may be read.
struct Admitted<'a> {
    name: ProviderName,
    wait: Wait,
    place: Place<'a>,
}

async fn admit<'a>(api: &'a Api, parts: &mut Parts) -> Result<Admitted<'a>, Problem> {
    let Query(query) = Query::<UploadQuery>::from_request_parts(parts, &()).await?;
    let missing = || Problem::new(Code::InvalidQuery, "the query has no name: POST /v1/providers?name=NAME");
    let name = query.name.ok_or_else(missing)?.parse().map_err(ControlError::from)?;
    let wait = Wait::from_request_parts(parts, &()).await?;
    Ok(Admitted { name, wait, place: api.uploads.place(&parts.headers).await? })
}

fn answer(name: &ProviderName, uploaded: &Uploaded, view: &VersionView<'_>, wait: Wait) -> Response {
    let version = &uploaded.version;
    let status = match version.state {
        _ if uploaded.known => StatusCode::OK,
        VersionState::Checking => StatusCode::ACCEPTED,
        VersionState::Active if wait.at_most().is_none() => StatusCode::ACCEPTED,
        VersionState::Active => StatusCode::CREATED,
        VersionState::Inactive | VersionState::WaitingForApproval | VersionState::Refused => StatusCode::OK,
    };
    let location = [(header::LOCATION, format!("/v1/providers/{name}/versions/{}", version.digest))];
    wait.applied((status, location, Json(view)))
}
