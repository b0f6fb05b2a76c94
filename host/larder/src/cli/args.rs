//! The top of the command tree, and the options that every command takes.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::addon::AddonCommand;
use super::app::AppCommand;
use super::apply::ApplyArgs;
use super::audit::AuditArgs;
use super::backup::BackupArgs;
use super::completions::CompletionsArgs;
use super::config::ConfigCommand;
use super::doctor::DoctorArgs;
use super::engine::EngineCommand;
use super::experiment::ExperimentCommand;
use super::key::KeyCommand;
use super::node::NodeCommand;
use super::out::Out;
use super::provider::ProviderCommand;
use super::restore::RestoreArgs;
use super::run::RunArgs;
use super::store::StoreCommand;
use crate::serve::ServeArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused by the server, or failed
  2  wrong usage
  3  the server cannot be reached
  4  the addon that was waited for did not become ready
  5  the time to wait was over
  6  not authorized

`larder run` and `larder addon connect` become another program and end with its exit code; with 126 if it can't
be executed, with 127 if there is none.";

/// Hosts addon providers: WebAssembly components that make databases, queues, secrets for your apps.
#[derive(Debug, Parser)]
#[command(name = "larder", version, after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The server's address.
    #[arg(long, global = true, value_name = "URL", env = "LARDER_URL")]
    pub(crate) url: Option<String>,

    /// The token to present; other users of this machine can read command lines, so prefer the variable.
    #[arg(long, global = true, value_name = "TOKEN", env = "LARDER_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,

    /// The data directory of a server on this machine.
    #[arg(long, global = true, value_name = "DIR", env = "LARDER_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Print the API's JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print results and errors only.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

impl Global {
    /// How these options want things printed.
    pub(crate) fn out(&self) -> Out {
        Out { json: self.json, quiet: self.quiet }
    }
}

/// The commands: a noun, then a verb.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server.
    Serve(ServeArgs),
    /// Show where the server is and what it holds.
    Status,
    /// Upload and manage providers.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// List what can be provisioned now.
    Catalog,
    /// Manage apps.
    #[command(subcommand)]
    App(AppCommand),
    /// Provision addons and follow them.
    #[command(subcommand)]
    Addon(AddonCommand),
    /// Read and change an app's variables.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Have apps be as a file says.
    Apply(ApplyArgs),
    /// Manage experiments: apps beside an app, each with its own addons.
    #[command(subcommand)]
    Experiment(ExperimentCommand),
    /// Run a command with an app's variables.
    Run(RunArgs),
    /// Look after the Docker engines.
    #[command(subcommand)]
    Engine(EngineCommand),
    /// Look for what is wrong with the server and its Docker engines.
    Doctor(DoctorArgs),
    /// Show what was done to providers and to the installation, when and by whom.
    Audit(AuditArgs),
    /// Write everything that the server keeps to a file, while it runs.
    Backup(BackupArgs),
    /// Make a data directory of a backup.
    Restore(RestoreArgs),
    /// Look after where the server keeps everything.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Look after the key that seals what the server keeps.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Look after the servers that share a store.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Print a script that completes commands and names in your shell.
    Completions(CompletionsArgs),
}
