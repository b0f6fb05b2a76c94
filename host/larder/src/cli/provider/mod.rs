//! `larder provider`: the components that make addons.

pub(crate) mod build;
pub(crate) mod new;

mod activate;
mod change;
mod grant;
mod limit;
mod options;
mod quota;
mod show;
mod upload;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;

use super::api::call::Call;
use super::completions::candidates;
use super::context::Context;
use super::failure::Result;

const IN_USE: &str = "delete its addons first, or remove it all the same with `--force`";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// Upload a version of a provider and wait until it is checked.
    Upload(upload::UploadArgs),
    /// List the providers.
    List,
    /// Show a provider and its versions.
    Show(ProviderArgs),
    /// Have another version of a provider serve.
    Activate(activate::ActivateArgs),
    /// Let a provider reach destinations, or have objects on a Docker engine.
    Grant(grant::GrantArgs),
    /// Take back what a provider was granted; it holds from its next call on.
    Revoke(grant::RevokeArgs),
    /// Set what a provider's calls may use; it holds from its next call on.
    Limit(limit::LimitArgs),
    /// Set how many live addons there may be of a provider's plans; those that are there stay.
    Quota(quota::QuotaArgs),
    /// Set a provider's options; they hold from its next call on.
    Options(options::OptionsArgs),
    /// Remove a provider.
    Remove(RemoveArgs),
    /// Begin a project for a provider of your own.
    New(new::NewArgs),
    /// Build the component of such a project.
    Build(build::BuildArgs),
}

/// Which provider.
#[derive(Debug, Args)]
pub(crate) struct ProviderArgs {
    /// The provider's name.
    #[arg(value_name = "PROVIDER", add = ArgValueCandidates::new(candidates::providers))]
    name: String,
}

/// What to remove.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    which: ProviderArgs,

    /// Remove it even though it has live addons; what it made elsewhere stays there.
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(context: &Context, command: ProviderCommand) -> Result<()> {
    match command {
        ProviderCommand::Upload(args) => upload::run(context, &args).await,
        ProviderCommand::List => show::list(context).await,
        ProviderCommand::Show(args) => show::run(context, &args.name).await,
        ProviderCommand::Activate(args) => activate::run(context, &args).await,
        ProviderCommand::Grant(args) => grant::grant(context, &args).await,
        ProviderCommand::Revoke(args) => grant::revoke(context, &args).await,
        ProviderCommand::Limit(args) => limit::run(context, &args).await,
        ProviderCommand::Quota(args) => quota::run(context, &args).await,
        ProviderCommand::Options(args) => options::run(context, args).await,
        ProviderCommand::Remove(args) => remove(context, &args).await,
        ProviderCommand::New(args) => new::run(context.out, &args),
        ProviderCommand::Build(args) => build::run(context.out, &args),
    }
}

async fn remove(context: &Context, args: &RemoveArgs) -> Result<()> {
    let name = &args.which.name;
    let force = args.force.then_some("true");
    let result = context.api.call(Call::delete(&["v1", "providers", name]).query_if("force", force)).await;
    result.map_err(|failure| failure.help_for("provider_in_use", IN_USE))?;
    context.out.done(&format!("removed provider `{name}`"))
}
