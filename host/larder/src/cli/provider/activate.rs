//! `larder provider activate`.

use clap::Args;
use reqwest::Method;

use super::ProviderArgs;
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Provider};
use crate::cli::spelling::{pick_digest, short_digest};

/// What to activate.
#[derive(Debug, Args)]
pub(crate) struct ActivateArgs {
    #[command(flatten)]
    which: ProviderArgs,

    /// The version: its digest, or as much of the beginning as tells it from the others.
    #[arg(value_name = "DIGEST")]
    digest: String,
}

pub(crate) async fn run(context: &Context, args: &ActivateArgs) -> Result<()> {
    let name = &args.which.name;
    let provider = context.api.call(Call::get(&["v1", "providers", name])).await?.body;
    let provider: Provider = model::read(&provider)?;
    let digests = provider.versions.iter().map(|version| version.digest.as_str());
    let digest = pick_digest(&args.digest, digests).map_err(|detail| {
        Failure::new(Kind::Failed, "no_such_version", detail).or_help(format!("see `larder provider show {name}`"))
    })?;
    let path = ["v1", "providers", name, "versions", digest, "activate"];
    let answer = context.api.call(Call::new(Method::POST, &path)).await?;
    if context.out.json {
        return context.out.json(&answer.body);
    }
    context.out.done(&format!("version {} of `{name}` is active", short_digest(digest)))
}
