//! A change of what a provider may do or use, of which nobody else's change is lost.

use reqwest::Method;
use reqwest::header::IF_MATCH;
use serde_json::Value;

use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Provider};

/// How often a change is tried again that somebody else's came before.
const ATTEMPTS_MAX: usize = 5;

/// Replaces `part` of a provider by what `decide` makes of the provider as it is, and tells the result.
pub(super) async fn change(
    context: &Context,
    name: &str,
    part: &str,
    decide: impl Fn(&Provider) -> Result<Value>,
    tell: impl Fn(&Provider) -> String,
) -> Result<Provider> {
    let mut attempt = 1;
    loop {
        let known = context.api.call(Call::get(&["v1", "providers", name])).await?;
        let wanted = decide(&model::read(&known.body)?)?;
        let call = Call::new(Method::PUT, &["v1", "providers", name, part]);
        let call = call.header(IF_MATCH, known.etag.ok_or_else(untagged)?).json(&wanted);
        match context.api.call(call).await {
            Ok(answer) => {
                let provider: Provider = model::read(&answer.body)?;
                context.out.result(&answer.body, || Ok(tell(&provider)))?;
                return Ok(provider);
            }
            Err(failure) if failure.code == "revision_changed" && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(failure) => return Err(failure),
        }
    }
}

fn untagged() -> Failure {
    Failure::new(
        Kind::Failed,
        "bad_answer",
        "the server's answer has no ETag, so that a change could undo somebody else's",
    )
    .or_help("compare `larder --version` with the server's")
}
