//! `larder addon list`.

use clap::Args;
use clap_complete::ArgValueCandidates;

use crate::cli::api::call::Call;
use crate::cli::completions::candidates;
use crate::cli::context::Context;
use crate::cli::failure::Result;
use crate::cli::model::{self, Addon};
use crate::cli::table::Table;
use crate::cli::text;

const EVERY_STATE: &str = "waiting_for_provision,provisioned,ready,deprovisioned,error";
/// A longer remark is for `addon show`.
const REMARK_CHARS_MAX: usize = 60;

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only the addons of one app.
    #[arg(long, value_name = "APP", add = ArgValueCandidates::new(candidates::apps))]
    app: Option<String>,

    /// Only addons in these states (repeatable, or with commas).
    #[arg(long, value_name = "STATE", value_delimiter = ',', conflicts_with = "all")]
    #[arg(value_parser = EVERY_STATE.split(',').collect::<Vec<_>>())]
    state: Vec<String>,

    /// Also addons that are deprovisioned or in error.
    #[arg(long)]
    all: bool,

    /// Only deleted addons that can be had back, and until when.
    #[arg(long, conflicts_with_all = ["all", "state"])]
    deleted: bool,
}

pub(crate) async fn run(context: &Context, args: &ListArgs) -> Result<()> {
    let chosen = Some(args.state.join(",")).filter(|states| !states.is_empty());
    let states = if args.all { Some(EVERY_STATE.to_owned()) } else { chosen };
    let path = match &args.app {
        Some(app) => vec!["v1", "apps", app, "addons"],
        None => vec!["v1", "addons"],
    };
    let kept = args.deleted.then_some("true");
    let call = || Call::get(&path).query_if("state", states.clone()).query_if("kept", kept);
    let answer = context.api.list("addons", call).await?;
    let addons: Vec<Addon> = model::read_list(&answer, "addons")?;
    if args.deleted {
        if addons.is_empty() {
            context.out.note("no deleted addon can be had back; the server's `--delete-grace` says how long one can");
        }
        return context.out.result(&answer, || Ok(kept_table(&addons)));
    }
    if addons.is_empty() && states.is_none() {
        context.out.note("there are no addons; `larder catalog` shows what can be provisioned");
    }
    context.out.result(&answer, || Ok(table(&addons)))
}

/// The addons, one a line; nothing at all if there are none.
pub(crate) fn table(addons: &[Addon]) -> String {
    let mut table = Table::new(["ADDON", "SERVICE", "PLAN", "PROVIDER", "STATE", "CREATED", "ID", "MESSAGE"]);
    for addon in addons {
        table.row([
            label(addon).as_str(),
            &addon.service,
            &addon.plan,
            &addon.provider,
            &addon.state,
            &text::seconds(&addon.created_at),
            &addon.id,
            &text::cut(&text::line(&addon.remark()), REMARK_CHARS_MAX),
        ]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

/// Deleted addons that can be had back.
fn kept_table(addons: &[Addon]) -> String {
    let mut table = Table::new(["ADDON", "SERVICE", "PLAN", "PROVIDER", "KEPT UNTIL", "ID"]);
    for addon in addons {
        let until = text::seconds(addon.kept_until.as_deref().unwrap_or_default());
        table.row([label(addon).as_str(), &addon.service, &addon.plan, &addon.provider, &until, &addon.id]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

/// An addon without app goes by its id, which has a column of its own.
fn label(addon: &Addon) -> String {
    if addon.app.is_some() { addon.label() } else { String::new() }
}
