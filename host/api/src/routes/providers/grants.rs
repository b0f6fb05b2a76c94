//! What a provider may do.

use axum::extract::State;
use axum::response::Response;
use larder_domain::ProviderName;

use super::tagged;
use crate::extract::{InPath, JsonBody, NoQuery, Revision};
use crate::input::GrantsBody;
use crate::problem::Problem;
use crate::state::Shared;

/// `PUT /v1/providers/{name}/grants`
pub(in crate::routes) async fn set(
    State(api): State<Shared>,
    InPath(name): InPath<ProviderName>,
    _: NoQuery,
    revision: Revision,
    body: JsonBody<GrantsBody>,
) -> Result<Response, Problem> {
    let provider = api.control.set_grants(&name, body.value.into_permissions()?, revision.0).await?;
    Ok(tagged(&provider))
}
