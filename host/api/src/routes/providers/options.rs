//! What an operator tells a provider.

use axum::extract::State;
use axum::response::Response;
use larder_domain::ProviderName;

use super::tagged;
use crate::extract::{InPath, JsonBody, NoQuery, Revision};
use crate::input::OptionsBody;
use crate::problem::Problem;
use crate::state::Shared;

/// `PUT /v1/providers/{name}/options`
pub(in crate::routes) async fn set(
    State(api): State<Shared>,
    InPath(name): InPath<ProviderName>,
    _: NoQuery,
    revision: Revision,
    body: JsonBody<OptionsBody>,
) -> Result<Response, Problem> {
    let provider = api.control.set_options(&name, body.value.into_options(), revision.0).await?;
    Ok(tagged(&provider))
}
