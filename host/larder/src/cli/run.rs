//! `larder run`: a command with an app's variables.
//!
//! The app's variables win over those of the shell, so that a `DATABASE_URL` which somebody once exported can't
//! lead an app to another database. What this command line was configured with stays here.

mod environment;
mod readiness;

use std::convert::Infallible;
use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use super::api::call::Call;
use super::completions::candidates;
use super::context::Context;
use super::duration;
use super::exec::Program;
use super::failure::Result;
use super::model::{self, AppConfig};

const EXIT_CODES: &str = "\
Exit codes:
  the command's own, once it runs; before that those of `larder`, and
  126  the command can't be executed
  127  there is no such command";

/// What to run, and with whose variables.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RunArgs {
    /// The app whose variables the command gets.
    #[arg(long, value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: String,

    /// Wait until the app's addons are ready [without a value: 60s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "60s")]
    wait: Option<Duration>,

    /// Pass on nothing of this shell's variables but those that every program needs, like PATH and HOME.
    #[arg(long)]
    env_only: bool,

    /// The command and its arguments.
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    #[arg(value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

/// Becomes the command; comes back only if that can't be.
pub(crate) async fn run(context: &Context, args: RunArgs) -> Result<Infallible> {
    Err(prepare(context, args, std::env::vars_os()).await?.exec())
}

/// The command, with all that it gets.
pub(crate) async fn prepare(
    context: &Context,
    args: RunArgs,
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Program> {
    match args.wait {
        Some(timeout) => readiness::wait(context, &args.app, timeout).await?,
        None => readiness::note(context, &args.app).await?,
    }
    let call = Call::get(&["v1", "apps", &args.app, "config"]).query("format", "json");
    let config: AppConfig = model::read(&context.api.call(call).await?.body)?;
    let mut words = args.command.into_iter();
    Ok(Program {
        // There is one, since the argument is required.
        name: words.next().unwrap_or_default(),
        args: words.collect(),
        environment: environment::make(inherited, config.variables, args.env_only),
    })
}
