//! What can't be done to a server that many share, nor to a part of it.

use larder_sdk::{Addon, Failure, ProvisionType, Role};

/// Refuses what would make another server of a common one, or would want a part on another one: there is one for each plan, and data
/// don't follow.
///
/// # Errors
/// It can't be updated like that.
pub fn check_update(addon: &Addon) -> Result<(), Failure> {
    let (plan, previous) = (addon.plan(), addon.previous_plan());
    match (addon.role(), addon.provision_type()) {
        (Role::Server, _) => Err(Failure::rejected("a common server is the one of its plan; its users count on that")),
        (Role::User, ProvisionType::Communal) if previous.is_some_and(|previous| previous != plan) => {
            Err(Failure::rejected(format!(
                "a part of a common server stays on the server of its plan: make an addon of the plan {plan} and bring the data over"
            )))
        }
        _ => Ok(()),
    }
}

/// Refuses to rotate what no app knows, and what its users log in by.
///
/// # Errors
/// It can't be rotated.
pub fn check_rotation(addon: &Addon) -> Result<(), Failure> {
    match addon.role() {
        Role::Server => {
            Err(Failure::rejected("no app knows the password of a common server's administrator: rotate its users"))
        }
        Role::User => Ok(()),
    }
}
