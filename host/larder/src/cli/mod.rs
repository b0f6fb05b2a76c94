//! The command line: every command is a client of the HTTP API.
//!
//! A command parses its arguments, makes one or a few calls through [`api::Api`], and prints either the
//! API's JSON (`--json`) or a table. Nothing here reads the store, so that a command works alike beside the
//! server and across a network. Only `restore` and `store` have to do with a data directory that no server is using.
//!
//! * [`args`] has the top of the command tree; each noun keeps its arguments beside its commands.
//! * [`settings`] finds the server and the token; a token is only sent where it belongs.
//! * [`failure`] is the one error type; it knows its exit code, its advice and both its forms.
//! * [`exec`] becomes another program, with an environment in which nothing is of Larder's own.
//! * [`out`] is the only place that prints. A reader that went away ends a command quietly.
//! * [`text`] makes foreign text harmless: messages come from guests, and a terminal obeys escape codes.
//!   Everything that a person sees passes it; [`table`] does so for every cell.
//!
//! Result goes to standard output, everything else (progress, errors, warnings) to standard error.

pub(crate) mod apply;
pub(crate) mod completions;
pub(crate) mod object;
pub(crate) mod settings;

mod addon;
mod api;
mod app;
mod args;
mod audit;
mod backup;
mod catalog;
mod config;
mod context;
mod doctor;
pub(crate) mod duration;
mod engine;
mod exec;
mod experiment;
mod failure;
mod key;
mod model;
mod out;
mod progress;
mod provider;
mod restore;
mod run;
mod spelling;
mod status;
mod store;
mod table;
mod target_file;
mod text;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser;
use larder_domain::ports::Storage;
use tokio::runtime::{Builder, Runtime};

use crate::data_dir;
use crate::serve::{self, ServeArgs};
use args::{Cli, Command, Global};
use context::Context;
use failure::{Failure, Kind, Result};
use provider::ProviderCommand;

/// Runs the command that the process was started with.
pub(crate) fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    match dispatch(&global, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out::failure(&failure, global.json);
            failure.exit_code()
        }
    }
}

fn dispatch(global: &Global, command: Command) -> Result<()> {
    match command {
        Command::Serve(args) => run_server(global, args),
        Command::Completions(args) => completions::print(&args),
        Command::Restore(args) => restore::run(global, &args),
        Command::Store(command) => store::run(global, &command),
        Command::Provider(ProviderCommand::New(args)) => provider::new::run(global.out(), &args),
        Command::Provider(ProviderCommand::Build(args)) => provider::build::run(global.out(), &args),
        command => runtime(Builder::new_current_thread())?.block_on(ask_server(global, command)),
    }
}

/// The commands that speak to a server.
async fn ask_server(global: &Global, command: Command) -> Result<()> {
    let context = Context::new(global)?;
    match command {
        Command::Status => status::run(&context).await,
        Command::Provider(command) => provider::run(&context, command).await,
        Command::Catalog => catalog::run(&context).await,
        Command::App(command) => app::run(&context, command).await,
        Command::Addon(command) => addon::run(&context, command).await,
        Command::Config(command) => config::run(&context, command).await,
        Command::Apply(args) => apply::run(&context, &args).await,
        Command::Experiment(command) => experiment::run(&context, command).await,
        Command::Run(args) => match run::run(&context, args).await? {},
        Command::Engine(command) => engine::run(&context, command).await,
        Command::Doctor(args) => doctor::run(&context, &args).await,
        Command::Audit(args) => audit::run(&context, &args).await,
        Command::Backup(args) => backup::run(&context, &args).await,
        Command::Key(command) => key::run(&context, &command).await,
        Command::Serve(_) | Command::Completions(_) | Command::Restore(_) | Command::Store(_) => Ok(()),
    }
}

fn run_server(global: &Global, args: ServeArgs) -> Result<()> {
    let data_dir = data_dir::resolve(global.data_dir.as_deref());
    runtime(Builder::new_multi_thread())?.block_on(serve::run(data_dir, args)).map_err(|error| not_served(&error))
}

/// Why there is no server. What the disk has to do with it has a code of its own.
fn not_served(error: &anyhow::Error) -> Failure {
    let told = |code| Failure::new(Kind::Failed, code, format!("{error:#}"));
    match serve::storage(error) {
        None => told("serve_failed"),
        Some(Storage::Full) => told("storage_failed").or_help("free space on the disk with the data directory"),
        Some(Storage::ReadOnly) => told("storage_failed")
            .or_help("have the disk with the data directory writable again: `dmesg` may say why it is not"),
        Some(Storage::Failing) => told("storage_failed").or_help("mend the disk with the data directory: see `dmesg`"),
        Some(Storage::Damaged) => told("storage_damaged")
            .or_help("restore a backup: `larder restore FILE --replace` keeps aside what is there"),
    }
}

fn runtime(mut builder: Builder) -> Result<Runtime> {
    let failed = |error| Failure::new(Kind::Failed, "no_runtime", format!("no thread could be started: {error}"));
    builder.enable_all().build().map_err(failed)
}
