//! What an app gets on a server: a role that owns a database, and reaches no other.

use larder_clients::postgres::{self, Dropped, Session, Sql};
use larder_clients::{Error, HostStream, Tls};
use larder_sdk::{Addon, Config, Failure, ProvisionType, log, secrets};
use larder_servers::database::{Database as _, Server, Size};
use larder_servers::name_of;
use serde::Deserialize;

use crate::{Postgres, session};

/// What the developer sets.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    extensions: Vec<String>,
}

/// A role and its database, as the addon has them.
pub(crate) struct Tenant {
    /// The name of both.
    name: String,
    password: String,
    connections: u16,
    extensions: Vec<String>,
    /// Whether nobody else is on the server, if that is in a container.
    is_alone: bool,
}

impl Tenant {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        let Parameters { extensions } = addon.parameters()?;
        Ok(Self {
            name: name(addon),
            password: secrets::password("user", 0, 40)?,
            connections: Size::of(addon, Postgres::KIND)?.connections,
            extensions,
            is_alone: matches!(addon.provision_type(), ProvisionType::Independent),
        })
    }

    /// Makes what is missing of it, and logs in.
    pub(crate) fn make(&self, server: &Server) -> Result<(), Failure> {
        let Self { name, password, .. } = self;
        let tenant = postgres::Tenant { name, password, connections_max: Some(self.connections) };
        let made = postgres::create_role_and_database(&mut administrator(server)?, &tenant);
        let open = made.map_err(|error| session::explain(server, &error))?;
        if !open.is_empty() {
            log::warn(format!("the app's role can connect to these databases, too: {}", open.join(", ")));
        }
        let mut session = session::log_in(server, name, password)?;
        if self.extensions.is_empty() {
            return Ok(());
        }
        // On its own server an app has any extension that the image has; on others those that PostgreSQL trusts everybody with.
        if self.is_alone && server.tls.is_none() {
            session = session::administer(server, name)?;
        }
        self.extensions.iter().try_for_each(|extension| extend(&mut session, extension))
    }

    /// What is told to a program that logs in as the app: user, password, database.
    pub(crate) fn login(self) -> (String, String, String) {
        (self.name.clone(), self.password, self.name)
    }

    /// Whether there is something in the database that belongs to the administrator.
    pub(crate) fn has_extensions(&self) -> bool {
        !self.extensions.is_empty()
    }

    pub(crate) fn config(&self, server: &Server) -> Config {
        let query = if server.tls == Some(Tls::Require) { "?sslmode=require" } else { "" };
        server.config_of(&self.name, &self.password, query)
    }
}

fn administrator(server: &Server) -> Result<Session<HostStream>, Failure> {
    session::administer(server, &server.database)
}

/// Nobody but us has been in the database yet, so that nothing in `public` can be mistaken for the extension's.
fn extend(session: &mut Session<HostStream>, extension: &str) -> Result<(), Failure> {
    let create = Sql::new("CREATE EXTENSION IF NOT EXISTS ").name(extension).then(" SCHEMA public CASCADE");
    match session.query(&create) {
        Err(error @ Error::Refused(_)) if !error.is_transient() => {
            Err(Failure::rejected(format!("the extension `{extension}` can't be had: {error}")))
        }
        done => Ok(done.map(drop)?),
    }
}

pub(crate) fn remove(addon: &Addon, server: &Server) -> Result<(), Failure> {
    let name = name(addon);
    let dropped = postgres::drop_role_and_database(&mut administrator(server)?, &name);
    if dropped.map_err(|error| session::explain(server, &error))? == Dropped::NotOurs {
        log::warn(format!("the role {name} was not made here, and was left alone"));
    }
    Ok(())
}

/// The name of the role and of the database.
fn name(addon: &Addon) -> String {
    format!("a{}", name_of(addon))
}
