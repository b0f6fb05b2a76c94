//! `larder addon`: the resources that providers make for apps.

pub(crate) mod create;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod update;
pub(crate) mod wait;

mod connect;
mod credentials;
mod delete;
mod events;
mod export;
mod logs;
mod protect;
mod reference;
mod rotate;
mod show;
mod tunnel;
mod undelete;

use std::time::Duration;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;

use super::completions::candidates;
use super::context::Context;
use super::duration;
use super::failure::Result;
use super::spelling::AddonRef;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum AddonCommand {
    /// Provision an addon for an app.
    Create(Box<create::CreateArgs>),
    /// List addons, those of one app or all.
    List(list::ListArgs),
    /// Show an addon.
    Show(WhichArgs),
    /// Wait until an addon is ready.
    Wait(WaitArgs),
    /// Show what happened to an addon.
    Events(FollowArgs),
    /// Show what an addon's provider logged.
    Logs(FollowArgs),
    /// Open the service's own client, logged in to an addon.
    Connect(connect::ConnectArgs),
    /// Make an addon reachable at a port of this machine.
    Tunnel(tunnel::TunnelArgs),
    /// Give an addon another plan or other parameters.
    Update(update::UpdateArgs),
    /// Give an addon new credentials.
    Rotate(rotate::RotateArgs),
    /// Write an addon's data to a file.
    Export(export::ExportArgs),
    /// Have an addon take data in.
    Import(import::ImportArgs),
    /// Have deleting an addon be refused.
    Protect(WhichArgs),
    /// Let an addon be deleted again.
    Unprotect(WhichArgs),
    /// Delete addons.
    Delete(DeleteArgs),
    /// Have a deleted addon back, while what it holds is kept.
    Undelete(UndeleteArgs),
}

/// Which addon.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// The addon: its id, APP/NAME, or its name together with --app.
    #[arg(value_name = "ADDON", add = ArgValueCandidates::new(candidates::addons))]
    addon: AddonRef,

    /// The app that the addon belongs to.
    #[arg(long, value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: Option<String>,
}

/// For what to wait, and how long.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// How long to wait at most.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
}

/// What to read, and whether to go on.
#[derive(Debug, Args)]
pub(crate) struct FollowArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// Go on with what happens from now on, until interrupted.
    #[arg(long, short)]
    follow: bool,
}

/// What to delete.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The addons: their ids, APP/NAME, or their names together with --app.
    #[arg(value_name = "ADDON", required = true, add = ArgValueCandidates::new(candidates::addons))]
    addons: Vec<AddonRef>,

    /// The app that the addons belong to.
    #[arg(long, value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: Option<String>,

    /// Delete them even if they are protected.
    #[arg(long)]
    force: bool,

    /// Keep nothing of them, also of those that are deleted already.
    #[arg(long)]
    now: bool,

    /// Wait until what they held is removed, or kept where the server keeps it [without a value: 60s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    #[arg(num_args = 0..=1, default_missing_value = "60s")]
    wait: Option<Duration>,
}

/// What to have back.
#[derive(Debug, Args)]
pub(crate) struct UndeleteArgs {
    /// The addon: its id, APP/NAME, or its name together with --app.
    #[arg(value_name = "ADDON", add = ArgValueCandidates::new(candidates::kept_addons))]
    addon: AddonRef,

    /// The app that the addon belonged to.
    #[arg(long, value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: Option<String>,

    /// Wait until the addon is ready [without a value: 60s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    #[arg(num_args = 0..=1, default_missing_value = "60s")]
    wait: Option<Duration>,
}

pub(crate) async fn run(context: &Context, command: AddonCommand) -> Result<()> {
    match command {
        AddonCommand::Create(args) => create::run(context, *args).await,
        AddonCommand::List(args) => list::run(context, &args).await,
        AddonCommand::Show(args) => show::run(context, &args).await,
        AddonCommand::Wait(args) => wait::run(context, &args).await,
        AddonCommand::Events(args) => events::run(context, &args).await,
        AddonCommand::Logs(args) => logs::run(context, &args).await,
        AddonCommand::Export(args) => export::run(context, &args).await,
        AddonCommand::Import(args) => import::run(context, &args).await,
        AddonCommand::Connect(args) => connect::run(context, args).await,
        AddonCommand::Tunnel(args) => tunnel::run(context, &args).await,
        AddonCommand::Update(args) => update::run(context, args).await,
        AddonCommand::Rotate(args) => rotate::run(context, &args).await,
        AddonCommand::Protect(args) => protect::run(context, &args, true).await,
        AddonCommand::Unprotect(args) => protect::run(context, &args, false).await,
        AddonCommand::Delete(args) => delete::run(context, &args).await,
        AddonCommand::Undelete(args) => undelete::run(context, &args).await,
    }
}
