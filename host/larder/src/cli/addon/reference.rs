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
    let (app, name) = match addon {
        AddonRef::Id(id) => return Ok(id.clone()),
        other => in_app(other, app)?,
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

/// The id of the deleted addon that is meant, among those that can be had back. Its app may be gone by now.
pub(crate) async fn find_kept(api: &Api, addon: &AddonRef, app: Option<&str>) -> Result<String> {
    let (app, name) = match addon {
        AddonRef::Id(id) => return Ok(id.clone()),
        other => in_app(other, app)?,
    };
    let call = || Call::get(&["v1", "addons"]).query("kept", "true");
    let kept: Vec<Addon> = model::read_list(&api.list("addons", call).await?, "addons")?;
    let is_meant = |addon: &Addon| addon.name == *name && addon.app.as_deref() == Some(app);
    let latest = kept.into_iter().filter(is_meant).max_by(|a, b| a.id.cmp(&b.id));
    latest.map(|addon| addon.id).ok_or_else(|| {
        let detail = format!("no deleted addon `{name}` of the app `{app}` can be had back");
        Failure::new(Kind::Failed, "not_in_grace", detail).or_help("see `larder addon list --deleted`")
    })
}

/// The app and the name, where both are known.
fn in_app<'a>(addon: &'a AddonRef, app: Option<&'a str>) -> Result<(&'a str, &'a String)> {
    match (addon, app) {
        (AddonRef::InApp { app, name }, None) => Ok((app.as_str(), name)),
        (AddonRef::InApp { app, name }, Some(other)) if app == other => Ok((app.as_str(), name)),
        (AddonRef::InApp { app, name }, Some(other)) => {
            Err(Failure::usage(format!("`{app}/{name}` and `--app {other}` name different apps")))
        }
        (AddonRef::Name(name) | AddonRef::Id(name), Some(app)) => Ok((app, name)),
        (AddonRef::Name(name) | AddonRef::Id(name), None) => {
            let failure = Failure::usage(format!("`{name}` may be an addon of any app"));
            Err(failure.or_help(format!("name the app too: `APP/{name}`, or `{name} --app APP`")))
        }
    }
}
