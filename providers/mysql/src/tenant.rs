//! What an app gets on a server: a user who has all rights in a database, and none elsewhere.

use larder_clients::mysql;
use larder_sdk::{Addon, Config, Failure, secrets};
use larder_servers::database::{Database as _, Server, Size};
use larder_servers::name_of;

use crate::{Mysql, session};

/// Where an id tells the way in which it was made. That is the same for all of them, and a name has no room for it.
const VERSION_AT: usize = 12;

/// A user and its database, as the addon has them.
pub(crate) struct Tenant {
    /// The name of both.
    name: String,
    password: String,
    connections: u16,
}

impl Tenant {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        let connections = Size::of(addon, Mysql::KIND)?.connections;
        Ok(Self { name: name(addon), password: secrets::password("user", 0, 40)?, connections })
    }

    /// Makes what is missing of it, and logs in.
    pub(crate) fn make(&self, server: &Server) -> Result<(), Failure> {
        let Self { name, password, .. } = self;
        let tenant = mysql::Tenant { name, password, connections_max: Some(self.connections) };
        let made = mysql::create_user_and_database(&mut session::administer(server)?, &tenant);
        made.map_err(|error| session::explain(server, &error))?;
        Ok(session::log_in(server, name, password)?.ping()?)
    }

    /// What is told to a program that logs in as the app: user, password, database.
    pub(crate) fn login(self) -> (String, String, String) {
        (self.name.clone(), self.password, self.name)
    }

    pub(crate) fn config(&self, server: &Server) -> Config {
        server.config_of(&self.name, &self.password, "")
    }
}

pub(crate) fn remove(addon: &Addon, server: &Server) -> Result<(), Failure> {
    let dropped = mysql::drop_user_and_database(&mut session::administer(server)?, &name(addon));
    dropped.map(drop).map_err(|error| session::explain(server, &error))
}

/// The name of the user and of the database.
fn name(addon: &Addon) -> String {
    let id = name_of(addon);
    let digits = id.char_indices().filter(|(at, _)| *at != VERSION_AT).map(|(_, digit)| digit);
    ['a'].into_iter().chain(digits).collect()
}
