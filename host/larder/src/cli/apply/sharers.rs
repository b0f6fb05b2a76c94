//! Who shares addons that are about to be deleted.
//!
//! The server refuses to delete an addon that is in use, but several are deleted one by one; so it is found out before the
//! first one goes.

use std::collections::HashSet;

use crate::cli::api::Api;
use crate::cli::api::call::Call;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon};

/// How many sharers one message names.
const NAMED_MAX: usize = 20;

/// All live addons, whoever they belong to.
pub(crate) async fn everything(api: &Api) -> Result<Vec<Addon>> {
    model::read_list(&api.list("addons", || Call::get(&["v1", "addons"])).await?, "addons")
}

/// That nobody shares what is to go, but for those that go too.
///
/// # Errors
/// `addon_in_use`, with the names of the sharers.
pub(crate) fn refuse_shared<'a>(doomed: impl IntoIterator<Item = &'a Addon>, everything: &[Addon]) -> Result<()> {
    let doomed: HashSet<&str> = doomed.into_iter().map(|addon| addon.id.as_str()).collect();
    let shares = |addon: &&Addon| addon.parent.as_deref().is_some_and(|parent| doomed.contains(parent));
    let stays = |addon: &&Addon| !doomed.contains(addon.id.as_str());
    let sharers: Vec<String> = everything.iter().filter(stays).filter(shares).map(Addon::label).collect();
    if sharers.is_empty() {
        return Ok(());
    }
    let more = if sharers.len() > NAMED_MAX { " and others" } else { "" };
    let named = sharers[..sharers.len().min(NAMED_MAX)].join(", ");
    let detail = format!("what is to be deleted is shared by {named}{more}; nothing was changed");
    Err(Failure::new(Kind::Failed, "addon_in_use", detail)
        .or_help("delete those first, or the experiments they are in"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_and_stays_is_named() {
        let addon = |id: &str, app: &str, parent: Option<&str>| Addon {
            id: id.into(),
            app: Some(app.into()),
            name: "db".into(),
            parent: parent.map(str::to_owned),
            ..Addon::default()
        };
        let all = [addon("1", "web.blue", Some("9")), addon("2", "web.green", Some("1")), addon("3", "web", None)];
        let failure = refuse_shared(&all[..1], &all).unwrap_err();
        assert_eq!(failure.code, "addon_in_use");
        assert!(failure.detail.contains("shared by web.green/db;"), "{}", failure.detail);
        assert_eq!(refuse_shared(&all[..2], &all), Ok(()));
        assert_eq!(refuse_shared(&all[1..], &all), Ok(()));
    }
}
