//! `larder provider options`.

use clap::Args;
use serde_json::json;

use super::ProviderArgs;
use super::change::change;
use super::show::newest_or_active;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Result};
use crate::cli::model::Provider;
use crate::cli::object::read_object;
use crate::cli::spelling::{Param, merge_params};

/// What to tell a provider.
#[derive(Debug, Args)]
pub(crate) struct OptionsArgs {
    #[command(flatten)]
    which: ProviderArgs,

    /// An option: key=text, or key:=json. What is not given has its default.
    #[arg(value_name = "KEY=VALUE")]
    options: Vec<Param>,

    /// All options as a JSON object: itself, `@FILE`, or `-` for standard input. Single ones override it.
    #[arg(long, value_name = "JSON")]
    json_options: Option<String>,
}

pub(super) async fn run(context: &Context, args: OptionsArgs) -> Result<()> {
    let base = args.json_options.as_deref().map(|source| read_object(source, "--json-options")).transpose()?;
    let options = merge_params(base.unwrap_or_default(), args.options).map_err(Failure::usage)?;
    let decide = |_: &Provider| Ok(json!({ "options": options }));
    change(context, &args.which.name, "options", decide, told).await.map(drop)
}

fn told(provider: &Provider) -> String {
    let state = newest_or_active(provider).map(|version| version.state.as_str()).unwrap_or_default();
    format!("`{}` has these options now; its state is `{state}`\n", provider.name)
}
