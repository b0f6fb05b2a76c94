//! `larder config`: an app's variables.

use std::collections::BTreeMap;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::ArgValueCandidates;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::call::Call;
use super::completions::candidates;
use super::context::Context;
use super::failure::{Failure, Result};
use super::model::{self, AppConfig, Variable};
use super::spelling::Assignment;
use super::table::Table;
use super::text::{self, DOTS};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show an app's variables, those of its addons included.
    Show(ShowArgs),
    /// Set variables of an app.
    Set(SetArgs),
    /// Unset variables of an app.
    Unset(UnsetArgs),
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The app's name.
    #[arg(value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: String,

    /// How; all formats but `table` show secrets [default: table].
    #[arg(long, value_name = "FORMAT", value_enum, hide_default_value = true)]
    format: Option<Format>,
}

/// How variables are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines that a POSIX shell reads.
    Env,
    /// The API's JSON.
    Json,
    /// Lines for Docker's `--env-file`.
    Docker,
    /// Lines for systemd's `EnvironmentFile=`.
    Systemd,
    /// For people, with dots for secrets.
    Table,
}

/// What to set.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The app's name.
    #[arg(value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: String,

    /// The variables and their values.
    #[arg(value_name = "NAME=VALUE", required = true)]
    variables: Vec<Assignment>,
}

/// What to unset.
#[derive(Debug, Args)]
pub(crate) struct UnsetArgs {
    /// The app's name.
    #[arg(value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: String,

    /// The variables' names.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

pub(crate) async fn run(context: &Context, command: ConfigCommand) -> Result<()> {
    match command {
        ConfigCommand::Show(args) => show(context, &args).await,
        ConfigCommand::Set(args) => set(context, args).await,
        ConfigCommand::Unset(args) => unset(context, args).await,
    }
}

async fn show(context: &Context, args: &ShowArgs) -> Result<()> {
    let format = match (context.out.json, args.format) {
        (true, None | Some(Format::Json)) => Format::Json,
        (true, Some(_)) => {
            return Err(Failure::usage("`--json` and `--format` ask for different formats"));
        }
        (false, format) => format.unwrap_or(Format::Table),
    };
    let call = |name| Call::get(&["v1", "apps", &args.app, "config"]).query("format", name);
    let as_text = match format {
        Format::Json => {
            return context.out.json(&context.api.call(call("json")).await?.body);
        }
        Format::Table => {
            let config: AppConfig = model::read(&context.api.call(call("json")).await?.body)?;
            return context.out.text(&table(&config));
        }
        Format::Env => "env",
        Format::Docker => "docker",
        Format::Systemd => "systemd",
    };
    context.out.exact(&context.api.text(call(as_text)).await?)
}

fn table(config: &AppConfig) -> String {
    let mut table = Table::new(["NAME", "VALUE", "ADDON"]);
    let details: BTreeMap<&str, &Variable> =
        config.details.iter().map(|variable| (variable.name.as_str(), variable)).collect();
    for (name, value) in &config.variables {
        let variable = details.get(name.as_str());
        // A variable of which nothing is known may be secret, and so may be anything that Larder adds itself.
        let is_secret = variable.is_none_or(|variable| variable.secret) || name.starts_with("LARDER_");
        let addon = variable.and_then(|variable| variable.addon.as_deref()).unwrap_or_default();
        table.row([name.as_str(), if is_secret { DOTS } else { value }, addon]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

async fn set(context: &Context, args: SetArgs) -> Result<()> {
    let mut changes = BTreeMap::new();
    for Assignment { name, value } in args.variables {
        if changes.insert(name.clone(), Value::from(value)).is_some() {
            return Err(Failure::usage(format!("the variable `{name}` is given twice")));
        }
    }
    let what = format!("set {} of `{}`", text::count(changes.len() as u64, "variable"), args.app);
    change(context, &args.app, &json!(changes), &what).await
}

async fn unset(context: &Context, args: UnsetArgs) -> Result<()> {
    let changes: BTreeMap<String, Value> = args.names.into_iter().map(|name| (name, Value::Null)).collect();
    let what = format!("unset {} of `{}`", text::count(changes.len() as u64, "variable"), args.app);
    change(context, &args.app, &json!(changes), &what).await
}

async fn change(context: &Context, app: &str, changes: &Value, what: &str) -> Result<()> {
    let call = Call::new(Method::PATCH, &["v1", "apps", app, "config"]).json(changes);
    let answer = context.api.call(call).await?;
    if context.out.json { context.out.json(&answer.body) } else { context.out.done(what) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_dots_and_what_is_unknown_is_secret() {
        let variable = |name: &str, secret: bool, addon: Option<&str>| Variable {
            name: name.into(),
            value: "x".into(),
            secret,
            addon: addon.map(str::to_owned),
        };
        let values = ["DATABASE_URL", "LARDER_SERVICES", "MODE", "ODD"];
        let config = AppConfig {
            variables: values.into_iter().map(|name| (name.to_owned(), "value".to_owned())).collect(),
            details: vec![
                variable("DATABASE_URL", true, Some("7")),
                variable("LARDER_SERVICES", false, None),
                variable("MODE", false, None),
            ],
        };
        let expected = "\
NAME             VALUE     ADDON
DATABASE_URL     ••••••••  7
LARDER_SERVICES  ••••••••  -
MODE             value     -
ODD              ••••••••  -
";
        assert_eq!(table(&config), expected);
    }
}
