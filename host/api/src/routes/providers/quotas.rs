//! How many live addons there may be of a provider's plans.

use axum::extract::State;
use axum::response::Response;
use larder_domain::ProviderName;

use super::tagged;
use crate::extract::{InPath, JsonBody, NoQuery, Revision};
use crate::input::QuotasBody;
use crate::problem::Problem;
use crate::state::Shared;

/// `PUT /v1/providers/{name}/quotas`
pub(in crate::routes) async fn set(
    State(api): State<Shared>,
    InPath(name): InPath<ProviderName>,
    _: NoQuery,
    revision: Revision,
    body: JsonBody<QuotasBody>,
) -> Result<Response, Problem> {
    let provider = api.control.set_quotas(&name, body.value.into_quotas()?, revision.0).await?;
    Ok(tagged(&provider))
}
