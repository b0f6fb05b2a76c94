//! `larder apply`: has apps be as a file says.
//!
//! * [`file`] reads the file, as a tree with lines ([`yaml`]) and in one of two forms ([`own`], [`labtest`]), to what is
//!   [`wanted`].
//! * [`actual`] reads what there is, [`plan`] compares, [`offers`] holds what is new against the catalog. Until here
//!   nothing was changed, and every [`mistake`] names its line.
//! * [`carry_out`] does it, [`follow_up`] waits for what takes time, and [`report`] tells.

pub(crate) mod carry_out;
pub(crate) mod fields;
pub(crate) mod file;
pub(crate) mod mistake;
pub(crate) mod sharers;
pub(crate) mod yaml;

mod actual;
mod data;
mod engine;
mod follow_up;
mod json;
mod labtest;
mod offers;
mod own;
mod plan;
mod report;
mod update;
mod wanted;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::api::call::Call;
use super::completions::candidates;
use super::context::Context;
use super::duration;
use super::failure::{Failure, Kind, Result};
use super::model::{self, Service};
use carry_out::{Presence, carry_out, exists};
use file::{Aim, Read};
use follow_up::FollowUp;
use mistake::Mistakes;
use plan::Plan;
use report::Report;
use sharers::{everything, refuse_shared};

/// What to apply.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) how: How,

    /// The app, in place of the one that the file names.
    #[arg(long, value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: Option<String>,

    /// Delete the addons of the file's apps that the file doesn't have.
    #[arg(long)]
    prune: bool,
}

/// The file, and how to go about it.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// The file, YAML or JSON; `-` is standard input.
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,

    /// Show what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Wait until the file's addons are ready [without a value: 60s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, conflicts_with = "dry_run")]
    #[arg(num_args = 0..=1, default_missing_value = "60s")]
    wait: Option<Duration>,
}

/// One application of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) how: &'a How,
    pub(crate) aim: Aim<'a>,
    pub(crate) presence: Presence,
    pub(crate) prune: bool,
}

pub(crate) async fn run(context: &Context, args: &ApplyArgs) -> Result<()> {
    let aim = Aim::App(args.app.as_deref());
    apply(context, Request { how: &args.how, aim, presence: Presence::Any, prune: args.prune }).await
}

/// Reads, compares, does, tells.
pub(crate) async fn apply(context: &Context, request: Request<'_>) -> Result<()> {
    let How { file, dry_run, wait } = request.how;
    let mut read = file::read(file, request.aim)?;
    engine::look_up(&context.api, &mut read.targets).await?;
    let plan = make_plan(context, &read, request).await?;
    if *dry_run {
        return Report::of_plan(&plan).print(context);
    }
    let mut report = Report::default();
    let mut follow_up = FollowUp::new(context, *wait);
    let done = carry_out(&context.api, &plan, &read.name, request.presence, &mut report).await;
    if done.is_ok() {
        let begun = follow_up.begin(&plan, &read.name, &mut report).await;
        report.rest(&plan);
        follow_up.updates(&begun, &mut report).await;
        if wait.is_some() {
            follow_up.wait_for_all(&mut report).await;
        }
    }
    // Whatever went wrong: next time the new addons are there, and get no data.
    follow_up.load(&mut report).await;
    // What was done is told also when the rest failed.
    report.print(context)?;
    follow_up.result(done)
}

/// Everything that can be refused is refused here, before anything is changed.
async fn make_plan(context: &Context, read: &Read, request: Request<'_>) -> Result<Plan> {
    let actual = actual::read(&context.api, &read.targets).await?;
    for target in &read.targets {
        match (request.presence, actual.contains_key(&target.app)) {
            (Presence::New, true) => return Err(exists(&target.app)),
            (Presence::There, false) => return Err(unknown_experiment(&target.app)),
            _ => {}
        }
    }
    let mut mistakes = Mistakes::default();
    let mut plan = plan::plan(&read.targets, &actual, request.prune, &mut mistakes);
    let catalog = context.api.call(Call::get(&["v1", "catalog"])).await?.body;
    let catalog: Vec<Service> = model::read_list(&catalog, "services")?;
    offers::check(&plan, &catalog, read.is_labtest, &mut mistakes);
    engine::check(&plan, &mut mistakes);
    data::choose(&mut plan, &read.folder, &mut mistakes);
    let plan = mistakes.or(&read.name, plan)?;
    let mut doomed = plan.apps.iter().flat_map(|app| &app.delete).peekable();
    if doomed.peek().is_some() {
        refuse_shared(doomed, &everything(&context.api).await?)?;
    }
    Ok(plan)
}

/// There is no such experiment.
pub(crate) fn unknown_experiment(app: &str) -> Failure {
    let help = "list those there are with `larder experiment list`, or create it with `larder experiment create`";
    Failure::new(Kind::Failed, "unknown_experiment", format!("there is no experiment {app}")).or_help(help)
}
