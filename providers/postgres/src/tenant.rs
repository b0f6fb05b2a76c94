//! What an app gets on a server: a role that owns a database, and reaches no other.

use larder_clients::postgres::{self, Dropped, Session, Sql};
use larder_clients::{Error, HostStream, Tls};
use larder_sdk::{Addon, Config, Failure, Progress, ProvisionType, log, secrets};

use crate::offer::{self, Parameters};
use crate::server::Server;

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
            connections: offer::size(addon)?.connections,
            extensions,
            is_alone: matches!(addon.provision_type(), ProvisionType::Independent),
        })
    }

    /// Makes what is missing of it, and logs in.
    pub(crate) fn make(&self, server: &Server) -> Result<(), Failure> {
        let Self { name, password, .. } = self;
        let tenant = postgres::Tenant { name, password, connections_max: Some(self.connections) };
        let made = postgres::create_role_and_database(&mut server.administer()?, &tenant);
        let open = made.map_err(|error| server.explain(&error))?;
        if !open.is_empty() {
            log::warn(format!("the app's role can connect to these databases, too: {}", open.join(", ")));
        }
        let mut session = server.log_in(name, password, name)?;
        if self.extensions.is_empty() {
            return Ok(());
        }
        // On its own server an app has any extension that the image has; on others those that PostgreSQL trusts everybody with.
        if self.is_alone && server.tls.is_none() {
            session = server.administer_in(name)?;
        }
        self.extensions.iter().try_for_each(|extension| extend(&mut session, extension))
    }

    pub(crate) fn config(&self, Server { host, port, tls, .. }: &Server) -> Config {
        let Self { name, password, .. } = self;
        let query = if *tls == Some(Tls::Require) { "?sslmode=require" } else { "" };
        let url = format!("postgresql://{name}:{password}@{host}:{port}/{name}{query}");
        Config::new()
            .secret("DATABASE_URL", &url)
            .secret_credential("uri", url)
            .credential("protocol", "postgresql")
            .credential("hostname", host)
            .credential("port", port.to_string())
            .credential("username", name)
            .secret_credential("password", password)
            .credential("database", name)
    }
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

pub(crate) fn remove(addon: &Addon, server: &Server) -> Result<Progress, Failure> {
    let name = name(addon);
    let dropped = postgres::drop_role_and_database(&mut server.administer()?, &name);
    if dropped.map_err(|error| server.explain(&error))? == Dropped::NotOurs {
        log::warn(format!("the role {name} was not made here, and was left alone"));
    }
    Ok(Progress::Done)
}

/// The name of the role and of the database: an addon's id is nobody else's.
fn name(addon: &Addon) -> String {
    format!("a{}", addon.id().replace('-', ""))
}
