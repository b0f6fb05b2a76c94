//! What there is: the apps that a file is for, and those whose addons it shares.

use std::collections::{BTreeMap, BTreeSet};

use super::wanted::Target;
use crate::cli::api::Api;
use crate::cli::api::call::Call;
use crate::cli::failure::Result;
use crate::cli::model::{self, Addon, AppConfig};

/// Larder's own variables begin so; nobody sets them.
const OWN_PREFIX: &str = "LARDER_";

/// Apps by name, as far as they are there.
pub(crate) type Actual = BTreeMap<String, AppState>;

/// One app.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct AppState {
    /// Its live addons.
    pub(crate) addons: Vec<Addon>,
    /// Its own variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// The variables of its addons, with the addon's id.
    pub(crate) of_addons: BTreeMap<String, String>,
}

/// Reads all that the targets touch or refer to.
pub(crate) async fn read(api: &Api, targets: &[Target]) -> Result<Actual> {
    let mut actual = Actual::new();
    let mut owners = BTreeSet::new();
    for target in targets {
        owners.extend(target.section.addons.iter().filter_map(|addon| addon.owner_app(&target.app)));
        if let Some(state) = read_app(api, &target.app).await? {
            actual.insert(target.app.clone(), state);
        }
    }
    for owner in owners {
        if targets.iter().all(|target| target.app != owner)
            && let Some(addons) = read_addons(api, &owner).await?
        {
            actual.insert(owner, AppState { addons, ..AppState::default() });
        }
    }
    Ok(actual)
}

/// An app; none if it is not there.
pub(crate) async fn read_app(api: &Api, app: &str) -> Result<Option<AppState>> {
    let Some(addons) = read_addons(api, app).await? else { return Ok(None) };
    let Some(config) = there(api.call(Call::get(&["v1", "apps", app, "config"])).await)? else { return Ok(None) };
    let config: AppConfig = model::read(&config.body)?;
    let mut state = AppState { addons, ..AppState::default() };
    for variable in config.details {
        match variable.addon {
            Some(addon) => drop(state.of_addons.insert(variable.name, addon)),
            None if variable.name.starts_with(OWN_PREFIX) => {}
            None => drop(state.variables.insert(variable.name, variable.value)),
        }
    }
    Ok(Some(state))
}

/// An app's live addons; none if the app is not there.
pub(crate) async fn read_addons(api: &Api, app: &str) -> Result<Option<Vec<Addon>>> {
    let list = api.list("addons", || Call::get(&["v1", "apps", app, "addons"])).await;
    there(list)?.map(|list| model::read_list(&list, "addons")).transpose()
}

/// That there is no such app is an answer too.
fn there<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.code == "unknown_app" => Ok(None),
        Err(failure) => Err(failure),
    }
}
