//! From what a person typed to an addon's id.

use crate::cli::api::Api;
use crate::cli::api::call::Call;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon};
use crate::cli::spelling::AddonRef;

/// The states that an addon doesn't leave; the API lists such addons only if asked to.
const TERMINAL: &str = "deprovisioned,error";

/// The id of the addon that is meant. A name means the app's live addon of that name, or else the last one
/// that had it: what could not be provisioned can still be looked at.
pub(crate) async fn find(api: &Api, addon: &AddonRef, app: Option<&str>) -> Result<String> {
    let (app, name) = match (addon, app) {
        (AddonRef::Id(id), _) => return Ok(id.clone()),
        (AddonRef::InApp { app, name }, None) => (app.as_str(), name),
        (AddonRef::InApp { app, name }, Some(other)) if app == other => (app.as_str(), name),
        (AddonRef::InApp { app, name }, Some(other)) => {
            return Err(Failure::usage(format!("`{app}/{name}` and `--app {other}` name different apps")));
        }
        (AddonRef::Name(name), Some(app)) => (app, name),
        (AddonRef::Name(name), None) => {
            let failure = Failure::usage(format!("`{name}` may be an addon of any app"));
            return Err(failure.or_help(format!("name the app too: `APP/{name}`, or `{name} --app APP`")));
        }
    };
    for states in [None, Some(TERMINAL)] {
        let call = || Call::get(&["v1", "apps", app, "addons"]).query_if("state", states);
        let addons: Vec<Addon> = model::read_list(&api.list("addons", call).await?, "addons")?;
        // Ids begin with the time of creation, so the greatest one is the latest.
        let latest = addons.into_iter().filter(|addon| addon.name == *name).max_by(|a, b| a.id.cmp(&b.id));
        if let Some(addon) = latest {
            return Ok(addon.id);
        }
    }
    let detail = format!("the app `{app}` has no addon `{name}`");
    Err(Failure::new(Kind::Failed, "not_found", detail).or_help(format!("see `larder addon list --app {app}`")))
}
