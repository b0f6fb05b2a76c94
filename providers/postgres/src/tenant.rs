//! What an app gets on a server: a role that owns a database and reaches no other, and roles that log in for it.
//!
//! PostgreSQL knows one password of a role. At first the owner itself logs in; each rotation makes a further role that is a member of
//! the owner and acts as it from the first statement on (`ALTER ROLE … SET role`), so that whatever is made by old or new credentials
//! belongs to the owner. The owner stays when its own password has been ended, and nobody logs in as it any more.

use larder_clients::postgres::{self, Dropped, Session, Shut, Sql};
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
    /// The name of the database and of its owner.
    name: String,
    /// Who logs in, and by which password.
    login: String,
    password: String,
    connections: u16,
    extensions: Vec<String>,
}

/// By whom extensions are made.
pub(crate) enum By {
    /// By the administrator: an app that has a server in a container to itself has any extension that the image has.
    Administrator,
    /// By the app itself, which has those that PostgreSQL trusts everybody with.
    App,
    /// By nobody: it is not about them.
    Nobody,
}

impl By {
    /// Whoever has been in a database can have put things there that an extension takes for its own. So the administrator makes them only
    /// as long as the addon is new, and the app has had no credentials.
    pub(crate) fn of(addon: &Addon, is_new: bool) -> Self {
        match (addon.generation(), addon.previous_plan(), addon.provision_type()) {
            (_, _, ProvisionType::Independent) if is_new => Self::Administrator,
            (0, None, _) | (_, Some(_), _) => Self::App,
            (_, None, _) => Self::Nobody,
        }
    }
}

impl Tenant {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        let Parameters { extensions } = addon.parameters()?;
        let (name, generation) = (name(addon), addon.generation());
        Ok(Self {
            login: login(&name, generation),
            name,
            password: secrets::password("user", generation, 40)?,
            connections: Size::of(addon, Postgres::KIND)?.connections_of_user(),
            extensions,
        })
    }

    /// Makes what is missing of it, and logs in.
    pub(crate) fn make(&self, server: &Server, by: &By) -> Result<(), Failure> {
        let open = self
            .make_roles(&mut administrator(server)?, server.is_ours())
            .map_err(|error| session::explain(server, &error))?;
        if !open.is_empty() {
            log::warn(format!(
                "the app's role can connect to these databases, too, until CONNECT is revoked from PUBLIC there: {}",
                open.join(", ")
            ));
        }
        let mut session = self.log_in(server)?;
        if self.extensions.is_empty() || matches!(by, By::Nobody) {
            return Ok(());
        }
        if matches!(by, By::Administrator) && server.is_ours() {
            session = session::administer(server, &self.name)?;
        }
        self.extensions.iter().try_for_each(|extension| extend(&mut session, extension))
    }

    /// Gives the other databases that the app can connect to: on somebody else's server that is theirs to change. The owner of a database
    /// that has been rotated is left as it is.
    fn make_roles(&self, session: &mut Session<HostStream>, is_ours: bool) -> Result<Vec<String>, Error> {
        let Self { name, login, password, connections, .. } = self;
        let role = postgres::Tenant { name: login, password, connections_max: Some(*connections) };
        if login != name {
            return postgres::create_login(session, name, &role).map(|()| vec![]);
        }
        if is_ours {
            postgres::shut_out_the_public(session)?;
        }
        postgres::create_role_and_database(session, &role)?;
        postgres::open_to_all(session)
    }

    fn log_in(&self, server: &Server) -> Result<Session<HostStream>, Failure> {
        session::log_in(server, &self.login, &self.password, &self.name)
    }

    /// Whether the server lets the app in, and answers.
    pub(crate) fn check(&self, server: &Server) -> Result<(), Failure> {
        self.log_in(server)?.query(&Sql::new("SELECT 1"))?;
        Ok(())
    }

    /// What is told to a program that logs in as the app: user, password, database.
    pub(crate) fn login(self) -> (String, String, String) {
        (self.login, self.password, self.name)
    }

    /// Whether there is something in the database that belongs to the administrator.
    pub(crate) fn has_extensions(&self) -> bool {
        !self.extensions.is_empty()
    }

    pub(crate) fn config(&self, server: &Server) -> Result<Config, Failure> {
        let query = if server.tls == Some(Tls::Require) { "?sslmode=require" } else { "" };
        server.config_of(&self.name, &self.login, &self.password, query)
    }
}

fn administrator(server: &Server) -> Result<Session<HostStream>, Failure> {
    session::administer(server, &server.database)
}

fn extend(session: &mut Session<HostStream>, extension: &str) -> Result<(), Failure> {
    let create = Sql::new("CREATE EXTENSION IF NOT EXISTS ").name(extension).then(" SCHEMA public CASCADE");
    match session.query(&create) {
        Err(error @ Error::Refused(_)) if !error.is_transient() => {
            Err(Failure::rejected(format!("the extension `{extension}` can't be had: {error}")))
        }
        done => Ok(done.map(drop)?),
    }
}

/// Ends that a generation's role logs in, which nobody can keep from being done, and that others come to the database. Tells whether there
/// is a role to be removed.
pub(crate) fn shut(addon: &Addon, server: &Server, generation: u32) -> Result<bool, Failure> {
    let name = name(addon);
    let shut = postgres::shut_login(&mut administrator(server)?, &name, &login(&name, generation));
    let Shut { is_to_be_dropped, others } = shut.map_err(|error| session::explain(server, &error))?;
    if !others.is_empty() {
        let others = Vec::from_iter(others).join(", ");
        log::warn(format!(
            "with the old credentials ended what these could do in the addon's database: {others}; grant it again to those who are to have it"
        ));
    }
    Ok(is_to_be_dropped)
}

/// Removes a generation's role, which is shut. What it made of its own becomes the owner's, for which it takes the database itself.
pub(crate) fn end(addon: &Addon, server: &Server, generation: u32) -> Result<(), Failure> {
    if !shut(addon, server, generation)? {
        return Ok(());
    }
    let name = name(addon);
    let login = login(&name, generation);
    match session::enter(server, &name).and_then(|mut within| postgres::drop_login(&mut within, &name, &login)) {
        Err(error) if is_kept_out(&error) => log::warn(format!(
            "the role {login} can't be removed from within the addon's database: {error}; it stays without a password, and nobody logs in \
            as it"
        )),
        dropped => tell(dropped.map_err(|error| session::explain(server, &error))?, &login),
    }
    Ok(())
}

/// Whoever has a database can see to it that nothing is done in there, such as by a `transaction_timeout` of next to nothing. What is
/// shut is shut all the same.
fn is_kept_out(error: &Error) -> bool {
    matches!(error, Error::Refused(_)) && !error.is_transient()
}

pub(crate) fn remove(addon: &Addon, server: &Server) -> Result<(), Failure> {
    let name = name(addon);
    let dropped = postgres::drop_role_and_database(&mut administrator(server)?, &name);
    tell(dropped.map_err(|error| session::explain(server, &error))?, &name);
    Ok(())
}

/// What an operator may want to see to.
fn tell(dropped: Dropped, role: &str) {
    match dropped {
        Dropped::Gone => {}
        Dropped::NotOurs => log::warn(format!("the role {role} was not made here, and was left alone")),
        Dropped::Shut => log::warn(format!(
            "the role {role}, or another one of this addon, can't be removed as long as something in another database names it, such \
            as rights that somebody has given it there: it stays without a password, and nobody logs in as it"
        )),
    }
}

/// Who logs in, in a generation of credentials.
fn login(name: &str, generation: u32) -> String {
    if generation == 0 { name.to_owned() } else { format!("{name}_{generation}") }
}

/// The name of the owner and of the database.
fn name(addon: &Addon) -> String {
    format!("a{}", name_of(addon))
}

#[cfg(test)]
mod tests {
    use larder_clients::Refusal;

    use super::*;

    #[test]
    fn what_a_tenant_has_set_in_its_database_does_not_keep_a_rotation_from_its_end() {
        let refused = |code: &str| Error::Refused(Refusal { code: code.to_owned(), message: "no".to_owned() });
        for (code, is_lasting) in
            [("25P04", true), ("42501", true), ("28000", true), ("57P03", false), ("40001", false)]
        {
            assert_eq!(is_kept_out(&refused(code)), is_lasting, "{code}");
        }
        assert!(!is_kept_out(&Error::Protocol("what?".to_owned())));
    }
}
