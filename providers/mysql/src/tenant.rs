//! What an app gets on a server: a user who has all rights in a database, and none elsewhere.

use larder_clients::mysql;
use larder_sdk::{Addon, Config, Failure, Progress, secrets};

use crate::offer;
use crate::server::Server;

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
        let connections = offer::size(addon)?.connections;
        Ok(Self { name: name(addon), password: secrets::password("user", 0, 40)?, connections })
    }

    /// Makes what is missing of it, and logs in.
    pub(crate) fn make(&self, server: &Server) -> Result<(), Failure> {
        let Self { name, password, .. } = self;
        let tenant = mysql::Tenant { name, password, connections_max: Some(self.connections) };
        let made = mysql::create_user_and_database(&mut server.administer()?, &tenant);
        made.map_err(|error| server.explain(&error))?;
        Ok(server.log_in(name, password)?.ping()?)
    }

    pub(crate) fn config(&self, Server { host, port, .. }: &Server) -> Config {
        let Self { name, password, .. } = self;
        let url = format!("mysql://{name}:{password}@{host}:{port}/{name}");
        Config::new()
            .secret("DATABASE_URL", &url)
            .secret_credential("uri", url)
            .credential("protocol", "mysql")
            .credential("hostname", host)
            .credential("port", port.to_string())
            .credential("username", name)
            .secret_credential("password", password)
            .credential("database", name)
    }
}

pub(crate) fn remove(addon: &Addon, server: &Server) -> Result<Progress, Failure> {
    let dropped = mysql::drop_user_and_database(&mut server.administer()?, &name(addon));
    dropped.map_err(|error| server.explain(&error))?;
    Ok(Progress::Done)
}

/// The name of the user and of the database: an addon's id is nobody else's.
fn name(addon: &Addon) -> String {
    let id = addon.id().replace('-', "");
    let digits = id.char_indices().filter(|(at, _)| *at != VERSION_AT).map(|(_, digit)| digit);
    ['a'].into_iter().chain(digits).collect()
}
