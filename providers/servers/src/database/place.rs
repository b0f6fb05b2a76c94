//! Whose server an addon is on.

use larder_sdk::{Addon, Failure, ProvisionType, Role, secrets, state};

use super::offer::{External, Settings};

/// What is remembered: operators change their options, and an addon stays where it was made.
const PLACE: &str = "place";
const CONTAINER: &str = "container";
const EXTERNAL: &str = "external";

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
    pub(super) fn choose(addon: &Addon) -> Result<Self, Failure> {
        let place = Self::of(addon)?;
        match place {
            Self::Container => state::set(PLACE, CONTAINER)?,
            Self::External(_) => state::set(PLACE, EXTERNAL)?,
            Self::Common => {}
        }
        Ok(place)
    }

    /// Where the addon is.
    pub(super) fn of(addon: &Addon) -> Result<Self, Failure> {
        if matches!((addon.provision_type(), addon.role()), (ProvisionType::Communal, Role::User)) {
            return Ok(Self::Common);
        }
        let external = secrets::options::<Settings>()?.external;
        match (state::get_text(PLACE)?.as_deref(), external) {
            (Some(CONTAINER), _) | (None, None) => Ok(Self::Container),
            (_, Some(external)) => Ok(Self::External(external)),
            (Some(_), None) => Err(Failure::failed(
                "the addon is on an external server that the provider's options no longer tell: set `external` again",
            )),
        }
    }
}
