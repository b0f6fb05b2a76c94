//! `larder experiment`: apps beside an app. The experiment `blue` of the app `web` is the app `web.blue`.

mod delete;
mod list;
mod show;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;
use larder_domain::AddonName;

use super::apply::carry_out::Presence;
use super::apply::file::Aim;
use super::apply::{How, Request, apply};
use super::completions::candidates;
use super::context::Context;
use super::failure::Result;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum ExperimentCommand {
    /// Create an experiment with what a file says.
    Create(CreateArgs),
    /// Have an experiment be as a file says.
    Update(UpdateArgs),
    /// Delete an experiment and its addons.
    Delete(WhichArgs),
    /// List experiments, those of one app or all.
    List(ListArgs),
    /// Show an experiment: its addons, and its variables by name.
    Show(WhichArgs),
}

/// Which experiment.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// The app's name.
    #[arg(value_name = "APP", value_parser = label, add = ArgValueCandidates::new(candidates::apps))]
    app: String,

    /// The experiment's name.
    #[arg(value_name = "EXPERIMENT", value_parser = label, add = ArgValueCandidates::new(candidates::experiments))]
    experiment: String,
}

/// What to create.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    which: WhichArgs,

    #[command(flatten)]
    how: How,
}

/// What to update.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    which: WhichArgs,

    #[command(flatten)]
    how: How,

    /// Delete the addons that the file doesn't have.
    #[arg(long)]
    prune: bool,
}

/// Whose experiments to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only the experiments of one app.
    #[arg(value_name = "APP", value_parser = label, add = ArgValueCandidates::new(candidates::apps))]
    app: Option<String>,
}

impl WhichArgs {
    /// The experiment as an app.
    fn whole(&self) -> String {
        format!("{}.{}", self.app, self.experiment)
    }

    fn aim(&self) -> Aim<'_> {
        Aim::Experiment { app: &self.app, experiment: &self.experiment }
    }
}

pub(crate) async fn run(context: &Context, command: ExperimentCommand) -> Result<()> {
    match command {
        ExperimentCommand::Create(CreateArgs { which, how }) => {
            apply(context, Request { how: &how, aim: which.aim(), presence: Presence::New, prune: false }).await
        }
        ExperimentCommand::Update(UpdateArgs { which, how, prune }) => {
            apply(context, Request { how: &how, aim: which.aim(), presence: Presence::There, prune }).await
        }
        ExperimentCommand::Delete(which) => delete::run(context, &which).await,
        ExperimentCommand::List(args) => list::run(context, args.app.as_deref()).await,
        ExperimentCommand::Show(which) => show::run(context, &which).await,
    }
}

/// One half of an experiment's name, which is what an addon's name is too.
fn label(text: &str) -> Result<String, String> {
    let wrong = |_| "use 1 to 63 of a-z, 0-9 and '-', not beginning with '-'".to_owned();
    text.parse::<AddonName>().map(String::from).map_err(wrong)
}
