//! What an app gets on a server: a user who has all rights in a database, and none elsewhere.
//!
//! MariaDB knows one password of a user (and not every MySQL knows two), so each rotation makes a further user with the same rights.
//! Nobody owns what is in a database, so a user can go without it; but for one who has made views, triggers, routines or events: those
//! run with its rights, so it stays, and nobody can log in as it.

use larder_clients::mysql::{self, Session, Sql};
use larder_clients::{Error, HostStream};
use larder_sdk::{Addon, Config, Failure, secrets};
use larder_servers::database::{Database as _, Server, Size};
use larder_servers::name_of;

use crate::{Mysql, session};

/// Where an id tells the way in which it was made. That is the same for all of them, and a name has no room for it.
const VERSION_AT: usize = 12;
/// How many of an id's last digits are in the names of further users.
const END_DIGITS: usize = 22;

/// A database and its user, as the addon has them.
pub(crate) struct Tenant {
    name: String,
    /// Who logs in, and by which password.
    user: String,
    password: String,
    connections: u16,
}

impl Tenant {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        let connections = Size::of(addon, Mysql::KIND)?.connections_of_user();
        let generation = addon.generation();
        let password = secrets::password("user", generation, 40)?;
        Ok(Self { name: name(addon), user: user(addon, generation), password, connections })
    }

    /// Makes what is missing of it, and logs in.
    pub(crate) fn make(&self, server: &Server) -> Result<(), Failure> {
        let mut administrator = session::administer(server)?;
        self.make_user(&mut administrator).map_err(|error| session::explain(server, &error))?;
        self.check(server)
    }

    /// The first user comes with the database, and further ones to it.
    fn make_user(&self, session: &mut Session<HostStream>) -> Result<(), Error> {
        let Self { name, user, password, connections } = self;
        let tenant = mysql::Tenant { name: user, password, connections_max: Some(*connections) };
        if user == name {
            return mysql::create_user_and_database(session, &tenant);
        }
        mysql::create_user(session, name, &tenant)
    }

    /// Whether the server lets the app in, and answers.
    pub(crate) fn check(&self, server: &Server) -> Result<(), Failure> {
        session::log_in(server, &self.user, &self.password)?.query(&Sql::new("SELECT 1"))?;
        Ok(())
    }

    /// What is told to a program that logs in as the app: user, password, database.
    pub(crate) fn login(self) -> (String, String, String) {
        (self.user, self.password, self.name)
    }

    pub(crate) fn config(&self, server: &Server) -> Result<Config, Failure> {
        server.config_of(&self.name, &self.user, &self.password, "")
    }
}

/// Ends that a generation's user logs in.
pub(crate) fn shut(addon: &Addon, server: &Server, generation: u32) -> Result<(), Failure> {
    let shut = mysql::shut_user(&mut session::administer(server)?, &user(addon, generation));
    shut.map_err(|error| session::explain(server, &error))
}

/// Removes the user of a generation, or leaves it for what runs with its rights.
pub(crate) fn end(addon: &Addon, server: &Server, generation: u32) -> Result<(), Failure> {
    let mut administrator = session::administer(server)?;
    let (ended, heir) = (user(addon, generation), user(addon, addon.generation()));
    let retired = mysql::retire_user(&mut administrator, &name(addon), &ended, &heir);
    retired.map(drop).map_err(|error| session::explain(server, &error))
}

/// First the users, those who were kept too, so that nobody holds up the end of the database.
pub(crate) fn remove(addon: &Addon, server: &Server) -> Result<(), Failure> {
    let administrator = &mut session::administer(server)?;
    let further = mysql::users_like(administrator, &format!("g%-{}", end_of(addon)));
    let mut dropped = further.and_then(|users| users.iter().try_for_each(|user| mysql::drop_user(administrator, user)));
    if dropped.is_ok() {
        dropped = mysql::drop_user_and_database(administrator, &name(addon));
    }
    dropped.map_err(|error| session::explain(server, &error))
}

/// The name of the database, and of its first user.
fn name(addon: &Addon) -> String {
    format!("a{}", digits(addon))
}

/// Who logs in, in a generation of credentials.
fn user(addon: &Addon, generation: u32) -> String {
    if generation == 0 { name(addon) } else { format!("g{generation}-{}", end_of(addon)) }
}

/// A name has no room for a number beside a whole id. The end of an id is where ids are random.
fn end_of(addon: &Addon) -> String {
    let digits = digits(addon);
    digits[digits.len() - END_DIGITS..].to_owned()
}

/// The digits of the id, but for the one that all ids have.
fn digits(addon: &Addon) -> String {
    let id = name_of(addon);
    id.char_indices().filter(|(at, _)| *at != VERSION_AT).map(|(_, digit)| digit).collect()
}
