//! `larder addon rotate`.

use std::time::Duration;

use clap::Args;
use reqwest::Method;

use super::update::{finish, seconds};
use super::{WhichArgs, reference};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::duration;
use crate::cli::failure::Result;

/// Whose credentials are to be others.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// How long the old credentials work beside the new ones, at most 7d [default: 10m].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_overlap)]
    overlap: Option<Duration>,

    /// How long to wait for the new ones at most; 0 to return at once.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
}

pub(crate) async fn run(context: &Context, args: &RotateArgs) -> Result<()> {
    let id = reference::find(&context.api, &args.which.addon, args.which.app.as_deref()).await?;
    let call = Call::new(Method::POST, &["v1", "addons", &id, "rotate"]).json(&seconds("overlap_s", args.overlap));
    let answer = context.api.call(call).await?.body;
    finish(context, answer, args.timeout, "has new credentials").await
}
