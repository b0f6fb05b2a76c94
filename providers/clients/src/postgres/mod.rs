//! PostgreSQL: its messages and its authentication are `postgres-protocol`'s, which leaves reading and writing to us.

mod access;
mod login;
mod logins;
mod message;
mod others;
mod rows;
mod tenants;
#[cfg(test)]
mod tests;

pub use access::{demand_passwords, open_to_all, shut_out_the_public};
pub use logins::{Shut, create_login, drop_login, shut_login};
pub use tenants::{Dropped, Tenant, create_role_and_database, drop_role_and_database};

use postgres_protocol::escape;
use postgres_protocol::message::frontend;

use crate::wire::Wire;
use crate::{Dialect, Error, Rows, Stream};

/// The longest name that the server doesn't cut off, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// How PostgreSQL wants things quoted.
pub enum Postgres {}

/// A statement for PostgreSQL.
pub type Sql = crate::Sql<Postgres>;

impl Dialect for Postgres {
    fn name(name: &str, sql: &mut String) {
        sql.push_str(&escape::escape_identifier(name));
    }

    fn literal(text: &str, sql: &mut String) {
        sql.push_str(&escape::escape_literal(text));
    }
}

/// Who logs in, and to what.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The role.
    pub user: &'a str,
    /// Its password. In the clear only its proof is sent, by SCRAM or MD5.
    pub password: &'a str,
    /// The database; `postgres` is nearly always there.
    pub database: &'a str,
    /// Whether to secure the stream first; a server without TLS is then not talked to. Leave it out where the stream is secure already.
    pub tls: bool,
}

/// Somebody who is logged in.
pub struct Session<S> {
    wire: Wire<S>,
    /// As the server says it, such as `15.18 (Debian 15.18-0+deb12u1)`.
    version: String,
}

impl<S: Stream> Session<S> {
    /// Opens a session on a fresh connection.
    ///
    /// # Errors
    /// The server refuses, has no TLS, or is no PostgreSQL.
    pub fn connect(stream: S, login: &Login<'_>) -> Result<Self, Error> {
        let mut session = Self { wire: Wire::new(stream), version: String::new() };
        login::log_in(&mut session, login).map_err(|error| error.without(login.password))?;
        Ok(session)
    }

    /// Runs a statement, or several that are separated by semicolons: those are one transaction.
    ///
    /// # Errors
    /// The server refuses: [`Error::Refused`], after which the session goes on. After any other error it doesn't.
    pub fn query(&mut self, sql: &Sql) -> Result<Rows, Error> {
        let message = message::write(|out| frontend::query(sql.as_str(), out))?;
        let result = self.wire.send(&message).and_then(|()| rows::read(&mut self.wire));
        self.wire.settle(result)
    }

    /// The first number of the server's version, such as 15.
    ///
    /// # Errors
    /// The server did not tell.
    pub fn major_version(&self) -> Result<u32, Error> {
        let digits = self.version.split(|character: char| !character.is_ascii_digit()).next();
        let major = digits.and_then(|digits| digits.parse().ok());
        major.ok_or_else(|| Error::protocol("the server does not tell its version"))
    }
}

/// Names that are too long are cut off by the server, and would be another's.
fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains('\0') {
        return Err(Error::BadInput(format!("`{name}` is no name here: it has 1 to {NAME_BYTES_MAX} bytes")));
    }
    Ok(())
}
