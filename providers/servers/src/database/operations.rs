//! What can be done to a database that is ready: another size, a new password, and the question how it does.
//!
//! None of these servers knows two passwords of one user for sure, so each generation of credentials is a user of its own to log in
//! by, and all of them reach the one database of the addon: see [`Database::make`]. The first is called as the database is.

use std::ops::Range;

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
        // What is in the way of removing one must not keep another alive.
        of_each(generations.old(), |generation| D::shut(addon, &server, generation))?;
        of_each(generations.old(), |generation| D::end(addon, &server, generation))?;
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

/// Does this to all of them, whatever becomes of some.
///
/// # Errors
/// The first one.
fn of_each(generations: Range<u32>, mut act: impl FnMut(u32) -> Result<(), Failure>) -> Result<(), Failure> {
    let failures: Vec<_> = generations.filter_map(|generation| act(generation).err()).collect();
    failures.into_iter().next().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_fails_keeps_none_of_the_others_from_being_ended() {
        let mut asked = vec![];
        let ended = of_each(3..6, |generation| {
            asked.push(generation);
            if generation < 5 { Err(Failure::failed(generation.to_string())) } else { Ok(()) }
        });
        assert_eq!((asked, ended), (vec![3, 4, 5], Err(Failure::failed("3"))));
        assert_eq!(of_each(3..3, |_| Err(Failure::failed("nobody is there"))), Ok(()));
    }
}
