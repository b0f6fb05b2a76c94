//! What a provider's calls may use.

use axum::extract::State;
use axum::response::Response;
use larder_domain::ProviderName;

use super::tagged;
use crate::extract::{InPath, JsonBody, NoQuery, Revision};
use crate::input::LimitsBody;
use crate::problem::Problem;
use crate::state::Shared;

/// `PUT /v1/providers/{name}/limits`
pub(in crate::routes) async fn set(
    State(api): State<Shared>,
    InPath(name): InPath<ProviderName>,
    _: NoQuery,
    revision: Revision,
    body: JsonBody<LimitsBody>,
) -> Result<Response, Problem> {
    let provider = api.control.set_limits(&name, body.value.into_limits()?, revision.0).await?;
    Ok(tagged(&provider))
}
