//! `larder experiment delete`.
//!
//! Whether others share one of its addons is found out before the first is deleted. The server refuses an addon that is in
//! use too, but goes through an app's addons one by one, and half an experiment is of no use to anybody.

use std::collections::HashSet;

use super::WhichArgs;
use crate::cli::api::call::Call;
use crate::cli::apply::unknown_experiment;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon};

/// How many sharers one message names.
const NAMED_MAX: usize = 20;

pub(crate) async fn run(context: &Context, which: &WhichArgs) -> Result<()> {
    let app = which.whole();
    let everything = context.api.list("addons", || Call::get(&["v1", "addons"])).await?;
    refuse_shared(&app, &model::read_list::<Addon>(&everything, "addons")?)?;
    let deleted = context.api.call(Call::delete(&["v1", "apps", &app]).query("cascade", "true")).await;
    deleted.map_err(|failure| if failure.code == "unknown_app" { unknown_experiment(&app) } else { failure })?;
    context.out.done(&format!("deleted experiment `{app}`"))
}

fn refuse_shared(app: &str, everything: &[Addon]) -> Result<()> {
    let is_of_it = |addon: &&Addon| addon.app.as_deref() == Some(app);
    let doomed: HashSet<&str> = everything.iter().filter(is_of_it).map(|addon| addon.id.as_str()).collect();
    let shares = |addon: &&Addon| addon.parent.as_deref().is_some_and(|parent| doomed.contains(parent));
    let sharers: Vec<String> =
        everything.iter().filter(|addon| !is_of_it(addon) && shares(addon)).map(Addon::label).collect();
    if sharers.is_empty() {
        return Ok(());
    }
    let more = if sharers.len() > NAMED_MAX { " and others" } else { "" };
    let named = sharers[..sharers.len().min(NAMED_MAX)].join(", ");
    let detail = format!("addons of the experiment {app} are shared by {named}{more}; nothing was deleted");
    Err(Failure::new(Kind::Failed, "addon_in_use", detail)
        .or_help("delete those first, or the experiments they are in"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_is_named() {
        let addon = |id: &str, app: &str, parent: Option<&str>| Addon {
            id: id.into(),
            app: Some(app.into()),
            name: "db".into(),
            parent: parent.map(str::to_owned),
            ..Addon::default()
        };
        let all = [addon("1", "web.blue", Some("9")), addon("2", "web.green", Some("1")), addon("3", "web", None)];
        let failure = refuse_shared("web.blue", &all).unwrap_err();
        assert_eq!(failure.code, "addon_in_use");
        assert!(failure.detail.contains("shared by web.green/db;"), "{}", failure.detail);
        assert_eq!(refuse_shared("web.green", &all), Ok(()));
    }
}
