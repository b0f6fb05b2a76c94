//! Whether an app's addons are ready, before something is run that needs them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::addon::wait;
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::Result;
use crate::cli::model::{self, Addon};

const EVERY_STATE: &str = "waiting_for_provision,provisioned,ready,error,deprovisioned";

/// Waits until all are ready; fails as soon as one will not become so.
pub(super) async fn wait(context: &Context, app: &str, timeout: Duration) -> Result<()> {
    let deadline = Instant::now() + timeout;
    let addons = needed(list(context, app, Some(EVERY_STATE)).await?);
    // What has failed already is told before anything is waited for.
    for addon in addons.iter().filter(|addon| addon.is_settled()) {
        wait::outcome(addon, timeout)?;
    }
    for addon in addons.iter().filter(|addon| !addon.is_settled()) {
        let rest = deadline.saturating_duration_since(Instant::now());
        let (_, addon) = wait::until_settled(context, &addon.id, rest).await?;
        wait::outcome(&addon, timeout)?;
    }
    Ok(())
}

/// Says which are not ready: their variables will be missed.
pub(super) async fn note(context: &Context, app: &str) -> Result<()> {
    for addon in list(context, app, None).await?.iter().filter(|addon| !addon.is_settled()) {
        let (label, state) = (addon.label(), &addon.state);
        context.out.note(&format!("note: `{label}` has no variables yet, its state is `{state}`; --wait waits for it"));
    }
    Ok(())
}

async fn list(context: &Context, app: &str, states: Option<&str>) -> Result<Vec<Addon>> {
    let call = || Call::get(&["v1", "apps", app, "addons"]).query_if("state", states);
    model::read_list(&context.api.list("addons", call).await?, "addons")
}

/// The last addon of each name, unless somebody wants it gone: one that failed has often been replaced since.
fn needed(addons: Vec<Addon>) -> Vec<Addon> {
    let mut last: BTreeMap<String, Addon> = BTreeMap::new();
    for addon in addons {
        // Ids begin with the time of creation.
        if last.get(&addon.name).is_none_or(|other| other.id < addon.id) {
            last.insert(addon.name.clone(), addon);
        }
    }
    last.into_values().filter(|addon| addon.state != "deprovisioned" && !addon.delete_wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_of_a_name_counts() {
        let addon = |id: &str, name: &str, state: &str, delete_wanted| Addon {
            id: id.into(),
            name: name.into(),
            state: state.into(),
            delete_wanted,
            ..Addon::default()
        };
        let addons = vec![
            addon("3", "db", "ready", false),
            addon("1", "db", "error", false),
            addon("4", "cache", "error", false),
            addon("5", "given-up", "error", true),
            addon("6", "gone", "error", false),
            addon("7", "gone", "deprovisioned", true),
        ];
        assert_eq!(needed(addons).iter().map(|addon| addon.id.as_str()).collect::<Vec<_>>(), ["4", "3"]);
    }
}
