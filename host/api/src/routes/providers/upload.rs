//! `POST /v1/providers`: takes a component in, and waits for its check if the client wants that.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use larder_control::{Code, Control, ControlError, Uploaded};
use larder_domain::ProviderName;
use larder_domain::provider::{Version, VersionState};
use tokio::time::{Instant, sleep_until};

use crate::extract::{Query, Wait};
use crate::input::UploadQuery;
use crate::problem::Problem;
use crate::state::Shared;
use crate::views::VersionView;

/// How often a version that is waited for is looked at.
const CHECK_LOOK: Duration = Duration::from_millis(50);

/// `POST /v1/providers?name=NAME`
pub(crate) async fn upload(
    State(api): State<Shared>,
    Query(query): Query<UploadQuery>,
    wait: Wait,
    request: Request,
) -> Result<Response, Problem> {
    let name = provider_name(query)?;
    let mut uploaded = {
        let received = api.uploads.receive(request).await?;
        api.control.upload(&name, received.wasm).await?
    };
    if let Some(at_most) = wait.at_most() {
        uploaded.version = checked(&api.control, &name, uploaded.version, at_most).await?;
    }
    Ok(answer(&name, &uploaded, wait))
}

fn provider_name(query: UploadQuery) -> Result<ProviderName, Problem> {
    let missing = || Problem::new(Code::InvalidQuery, "the query has no name: POST /v1/providers?name=NAME");
    Ok(query.name.ok_or_else(missing)?.parse().map_err(ControlError::from)?)
}

/// The version as it is once its check is over, or when the time is.
async fn checked(
    control: &Control,
    name: &ProviderName,
    mut version: Version,
    at_most: Duration,
) -> Result<Version, ControlError> {
    let until = Instant::now() + at_most;
    while version.state == VersionState::Checking && Instant::now() < until {
        sleep_until(until.min(Instant::now() + CHECK_LOOK)).await;
        version = control.version(name, version.digest).await?;
    }
    Ok(version)
}

fn answer(name: &ProviderName, uploaded: &Uploaded, wait: Wait) -> Response {
    let version = &uploaded.version;
    let status = match version.state {
        _ if uploaded.known => StatusCode::OK,
        VersionState::Checking => StatusCode::ACCEPTED,
        VersionState::Active => wait.at_most().map_or(StatusCode::ACCEPTED, |_| StatusCode::CREATED),
        VersionState::Inactive | VersionState::WaitingForApproval | VersionState::Refused => StatusCode::OK,
    };
    let location = [(header::LOCATION, format!("/v1/providers/{name}/versions/{}", version.digest))];
    wait.applied((status, location, Json(VersionView::from(version))))
}
