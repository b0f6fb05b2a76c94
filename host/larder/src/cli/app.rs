//! `larder app`: who consumes addons.

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::addon::list as addon_list;
use super::api::call::Call;
use super::completions::candidates;
use super::context::Context;
use super::failure::Result;
use super::model::{self, Addon, App};
use super::table::{Fields, Table};

const IN_USE: &str = "delete its addons first, or have them deleted with `--cascade`";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Create an app; one that is there already stays as it is.
    Create(AppArgs),
    /// List the apps.
    List,
    /// Show an app and its addons.
    Show(AppArgs),
    /// Say on which engine an app's future addons are to be; those that it has stay where they are.
    Place(PlaceArgs),
    /// Say how many live addons an app may have; those that it has stay.
    Quota(QuotaArgs),
    /// Say which Docker network an app's own containers are in; those of its addons join it, and its variables name them there.
    Attach(AttachArgs),
    /// Say that an app's own containers are in no network of its addons any more.
    Detach(AppArgs),
    /// Delete an app.
    Delete(DeleteArgs),
}

/// Which app.
#[derive(Debug, Args)]
pub(crate) struct AppArgs {
    /// The app's name; an experiment is named APP.EXPERIMENT.
    #[arg(value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: String,
}

/// Where addons are to be.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    #[command(flatten)]
    which: AppArgs,

    /// An engine's name, or labels that it must have, like disk=ssd,zone=a.
    #[arg(value_name = "NAME|LABEL=VALUE,…", required_unless_present = "anywhere")]
    engine: Option<String>,

    /// On the one with the most room, whichever that is.
    #[arg(long, conflicts_with = "engine")]
    anywhere: bool,
}

/// How many addons there may be.
#[derive(Debug, Args)]
pub(crate) struct QuotaArgs {
    #[command(flatten)]
    which: AppArgs,

    /// How many live addons it may have; `default` for as many as an app of which nothing was said.
    #[arg(value_name = "COUNT|default", value_parser = quota_count)]
    count: QuotaCount,
}

/// None for the default. An `Option` by its own name would be an argument that may be missing.
type QuotaCount = Option<u32>;

fn quota_count(text: &str) -> Result<QuotaCount, String> {
    match text {
        "default" => Ok(None),
        number => number.parse().map(Some).map_err(|_| "the count is a whole number, or `default`".to_owned()),
    }
}

/// Where an app's own containers are.
#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    #[command(flatten)]
    which: AppArgs,

    /// The network, as `docker network ls` shows it.
    network: String,
}

/// What to delete.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    which: AppArgs,

    /// Delete the app's addons as well.
    #[arg(long)]
    cascade: bool,
}

pub(crate) async fn run(context: &Context, command: AppCommand) -> Result<()> {
    match command {
        AppCommand::Create(args) => create(context, &args.app).await,
        AppCommand::List => list(context).await,
        AppCommand::Show(args) => show(context, &args.app).await,
        AppCommand::Place(args) => place(context, &args).await,
        AppCommand::Quota(args) => quota(context, &args).await,
        AppCommand::Attach(args) => attach(context, &args.which.app, Some(&args.network)).await,
        AppCommand::Detach(args) => attach(context, &args.app, None).await,
        AppCommand::Delete(args) => delete(context, &args).await,
    }
}

async fn create(context: &Context, app: &str) -> Result<()> {
    let answer = context.api.call(Call::new(Method::PUT, &["v1", "apps", app]).json(&json!({}))).await?;
    if context.out.json {
        return context.out.json(&answer.body);
    }
    let is_new = answer.status == StatusCode::CREATED;
    context.out.done(&if is_new { format!("created app `{app}`") } else { format!("app `{app}` is there already") })
}

async fn place(context: &Context, args: &PlaceArgs) -> Result<()> {
    let app = &args.which.app;
    let call = Call::new(Method::PUT, &["v1", "apps", app, "engine"]).json(&json!({ "engine": args.engine }));
    let answer = context.api.call(call).await?;
    if context.out.json {
        return context.out.json(&answer.body);
    }
    context.out.done(&match &args.engine {
        Some(engine) => format!("new addons of `{app}` go to `{engine}`"),
        None => format!("new addons of `{app}` go where the most room is"),
    })
}

async fn quota(context: &Context, args: &QuotaArgs) -> Result<()> {
    let app = &args.which.app;
    let call = Call::new(Method::PUT, &["v1", "apps", app, "quota"]).json(&json!({ "addons_max": args.count }));
    let answer = context.api.call(call).await?;
    if context.out.json {
        return context.out.json(&answer.body);
    }
    let said = |what: &str| answer.body[what].as_u64().unwrap_or_default();
    context.out.done(&format!("`{app}` has {} addons and may have {}", said("used"), said("limit")))
}

async fn attach(context: &Context, app: &str, network: Option<&str>) -> Result<()> {
    let call = Call::new(Method::PUT, &["v1", "apps", app, "network"]).json(&json!({ "network": network }));
    let answer = context.api.call(call).await?;
    if context.out.json {
        return context.out.json(&answer.body);
    }
    context.out.done(&in_network(app, network))
}

/// The network is noted; addons that are there are told one after the other.
fn in_network(app: &str, network: Option<&str>) -> String {
    let tell = match network {
        Some(network) => {
            format!("is in the network `{network}`; its variables tell in a moment how its addons are reached there")
        }
        None => "is in no network; its variables tell in a moment where the engines publish its addons".to_owned(),
    };
    format!("`{app}` {tell}: wait with `larder addon wait {app}/ADDON`")
}

async fn list(context: &Context) -> Result<()> {
    let answer = context.api.list("apps", || Call::get(&["v1", "apps"])).await?;
    let apps: Vec<App> = model::read_list(&answer, "apps")?;
    if apps.is_empty() {
        context.out.note("there are no apps; create one with `larder app create APP`");
    }
    context.out.result(&answer, || Ok(table(&apps)))
}

fn table(apps: &[App]) -> String {
    let mut table = Table::new(["APP", "ADDONS", "QUOTA"]);
    for app in apps {
        let quota = app.addons_max.map(|most| most.to_string()).unwrap_or_default();
        table.row([app.name.as_str(), &app.addons.to_string(), &quota]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

async fn show(context: &Context, name: &str) -> Result<()> {
    let answer = context.api.call(Call::get(&["v1", "apps", name])).await?.body;
    if context.out.json {
        return context.out.json(&answer);
    }
    let app: App = model::read(&answer)?;
    let addons = context.api.list("addons", || Call::get(&["v1", "apps", name, "addons"])).await?;
    let addons: Vec<Addon> = model::read_list(&addons, "addons")?;
    let network = context.api.call(Call::get(&["v1", "apps", name, "network"])).await?.body;
    let mut fields = Fields::default();
    let most = app.addons_max.map(|most| format!(" of {most}")).unwrap_or_default();
    fields.field("app", &app.name).field("addons", &format!("{}{most}", app.addons));
    if let Some(network) = network["network"].as_str() {
        fields.field("network", network);
    }
    let addons = addon_list::table(&addons);
    let gap = if addons.is_empty() { "" } else { "\n" };
    context.out.text(&format!("{}{gap}{addons}", fields.render()))
}

async fn delete(context: &Context, args: &DeleteArgs) -> Result<()> {
    let app = &args.which.app;
    let cascade = args.cascade.then_some("true");
    let result = context.api.call(Call::delete(&["v1", "apps", app]).query_if("cascade", cascade)).await;
    result.map_err(|failure| failure.help_for("app_in_use", IN_USE))?;
    context.out.done(&format!("deleted app `{app}`"))
}

#[cfg(test)]
mod tests;
