//! What can be done to a database that is ready: another size, a new password, and the question how it does.
//!
//! None of these servers knows two passwords of one user for sure, so each generation of credentials is a user of its own to log in
//! by, and all of them reach the one database of the addon: see [`Database::make`]. The first is called as the database is.

use larder_sdk::{Addon, Failure, Health, HealthStatus, Progress, Role, Rotation, Update};

use super::place::Place;
use super::{Database, Databases, Server, begin};
use crate::{Generations, LOGIN_WAIT, common};

impl<D: Database> Update for Databases<D> {
    fn begin_update(addon: &Addon) -> Result<String, Failure> {
        common::check_update(addon)?;
        match Place::choose(addon, D::KIND)? {
            Place::Container => {
                begin::<D>(addon)?;
                Ok(format!("The {} server is started anew, with its data; it is back in a moment", D::KIND.server))
            }
            Place::External(_) | Place::Common => Ok("The database gets its new settings".to_owned()),
        }
    }
}

impl<D: Database> Rotation for Databases<D> {
    /// The user is made by `provision_complete`, which is asked next.
    fn begin_rotation(addon: &Addon) -> Result<String, Failure> {
        common::check_rotation(addon)?;
        Ok("A further user is made for the database".to_owned())
    }

    fn end_rotation(addon: &Addon) -> Result<Progress, Failure> {
        let server = match Server::of(addon, D::KIND) {
            Ok(server) => server,
            Err(why) => return Ok(why.into_patience()),
        };
        let generations = Generations::of(addon)?;
        for generation in generations.old() {
            D::end(addon, &server, generation)?;
        }
        generations.ended()?;
        Ok(Progress::Done)
    }
}

impl<D: Database> Health for Databases<D> {
    fn check_health(addon: &Addon) -> Result<HealthStatus, Failure> {
        let server = match Server::of(addon, D::KIND) {
            Ok(server) => server.within(LOGIN_WAIT),
            Err(why) => return why.into_health(),
        };
        let used = match addon.role() {
            Role::Server => D::administer(&server),
            Role::User => D::check(addon, &server),
        };
        Ok(used.into())
    }
}
