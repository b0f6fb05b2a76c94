//! Whose server an addon is on.

use larder_sdk::{Addon, Failure, ProvisionType, Role, secrets, state};

use super::Kind;
use super::offer::{External, Settings};

/// What is remembered: operators change their options, and an addon stays where it was made.
const PLACE: &str = "place";
const CONTAINER: &str = "container";
const EXTERNAL: &str = "external";
/// Where an external server was when the addon was made there.
const ADDRESS: &str = "external_server";

/// Whose server an addon is on.
pub(super) enum Place {
    /// Its own, in a container.
    Container,
    /// The operator's.
    External(External),
    /// The one that communal addons share, wherever that is.
    Common,
}

impl Place {
    /// Where the addon is, and is going to be for ever.
    pub(super) fn choose(addon: &Addon, kind: &Kind) -> Result<Self, Failure> {
        let place = Self::of(addon, kind)?;
        match &place {
            Self::Container => state::set(PLACE, CONTAINER)?,
            Self::External(external) => {
                state::set(PLACE, EXTERNAL)?;
                state::set(ADDRESS, external.address(kind))?;
            }
            Self::Common => {}
        }
        Ok(place)
    }

    /// Where the addon is.
    pub(super) fn of(addon: &Addon, kind: &Kind) -> Result<Self, Failure> {
        if matches!((addon.provision_type(), addon.role()), (ProvisionType::Communal, Role::User)) {
            return Ok(Self::Common);
        }
        let told = secrets::options::<Settings>()?.external;
        match (state::get_text(PLACE)?.as_deref(), told) {
            (Some(CONTAINER), _) | (None, None) => Ok(Self::Container),
            (None, Some(external)) => Ok(Self::External(external)),
            (Some(_), told) => {
                let external = still_there(state::get_text(ADDRESS)?, told, kind);
                external.map(Self::External).map_err(Failure::failed)
            }
        }
    }
}

/// The external server, if the options still lead to the one that the addon was made on. Another one would get an empty database, and
/// the addon's would be forgotten where it is.
fn still_there(made_on: Option<String>, told: Option<External>, kind: &Kind) -> Result<External, String> {
    let told = told.ok_or_else(|| {
        let made_on = made_on.as_deref().unwrap_or("an external server");
        format!("the addon is on {made_on}, which the provider's options no longer tell: set `external` again")
    })?;
    match made_on {
        Some(made_on) if made_on != told.address(kind) => Err(format!(
            "the addon is on {made_on}, and the provider's options lead to {}: bring its data over to a new addon, and to do anything \
            with this one have `external` lead to {made_on} again",
            told.address(kind)
        )),
        _ => Ok(told),
    }
}

#[cfg(test)]
mod tests {
    use larder_sdk::json;

    use super::super::Database as _;
    use super::super::offer::tests::Tables;
    use super::*;

    fn external(hostname: &str) -> External {
        let external = json!({ "hostname": hostname, "username": "u", "password": "p" });
        serde_json::from_value(external).unwrap()
    }

    fn why(made_on: Option<&str>, told: Option<&str>) -> Option<String> {
        still_there(made_on.map(str::to_owned), told.map(external), Tables::KIND).err()
    }

    #[test]
    fn an_addon_is_not_looked_for_on_another_server() {
        assert_eq!(why(Some("old:1234"), Some("old")), None);
        // Made before it was remembered where.
        assert_eq!(why(None, Some("old")), None);
        let elsewhere = why(Some("old:1234"), Some("new")).unwrap();
        assert!(elsewhere.contains("is on old:1234") && elsewhere.contains("lead to new:1234"), "{elsewhere}");
        assert!(why(Some("old:1234"), None).unwrap().contains("is on old:1234"));
        assert!(why(None, None).unwrap().contains("set `external` again"));
    }
}
