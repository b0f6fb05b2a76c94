//! MySQL and MariaDB: their protocol, version 4.1, as far as administering takes it.

mod bytes;
mod greeting;
mod login;
mod packets;
mod retire;
mod rows;
mod tenants;
#[cfg(test)]
mod tests;

pub use retire::{Retired, retire_user, shut_user, users_like};
pub use tenants::{Tenant, create_user, create_user_and_database, drop_user, drop_user_and_database};

use self::packets::Packets;
use crate::sql::quote;
use crate::{Dialect, Error, Rows, Stream};

const COM_QUERY: u8 = 0x03;
const COM_PING: u8 = 0x0e;
/// The longest statement, in bytes.
const STATEMENT_BYTES_MAX: usize = 1024 * 1024;
/// The server says with it that a backslash is only a backslash.
const STATUS_NO_BACKSLASH_ESCAPES: u16 = 0x0200;

/// How MySQL wants things quoted, in a session that we have opened.
pub enum Mysql {}

/// A statement for MySQL.
pub type Sql = crate::Sql<Mysql>;

impl Dialect for Mysql {
    fn name(name: &str, sql: &mut String) {
        quote(name, '`', sql);
    }

    fn literal(text: &str, sql: &mut String) {
        quote(text, '\'', sql);
    }
}

/// Who logs in.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The user.
    pub user: &'a str,
    /// Its password. In the clear only a proof of it is sent.
    pub password: &'a str,
    /// Whether to secure the stream first; a server without TLS is then not talked to. Leave it out where the stream is secure already.
    pub tls: bool,
}

/// Somebody who is logged in.
pub struct Session<S> {
    packets: Packets<S>,
    version: String,
}

impl<S: Stream> Session<S> {
    /// Opens a session on a fresh connection.
    ///
    /// # Errors
    /// The server refuses, has no TLS, wants what takes TLS, or is no MySQL.
    pub fn connect(stream: S, login: &Login<'_>) -> Result<Self, Error> {
        let mut packets = Packets::new(stream);
        let logged_in = login::log_in(&mut packets, login);
        let version = logged_in.map_err(|error| error.without(login.password))?;
        let mut session = Self { packets, version };
        session.query(&Sql::new("SET NAMES utf8mb4"))?;
        // Quoting is then doubling quotes, on every server.
        let status = session.run(&Sql::new("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'"))?.1;
        if status & STATUS_NO_BACKSLASH_ESCAPES == 0 {
            return Err(Error::protocol("the server does not say how it reads quotes"));
        }
        Ok(session)
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// The server refuses: [`Error::Refused`], after which the session goes on. After any other error it doesn't.
    pub fn query(&mut self, sql: &Sql) -> Result<Rows, Error> {
        Ok(self.run(sql)?.0)
    }

    /// Whether the server is still there.
    ///
    /// # Errors
    /// It is not.
    pub fn ping(&mut self) -> Result<(), Error> {
        self.say(COM_PING, b"").map(drop)
    }

    /// As the server says it, such as `5.5.5-10.11.19-MariaDB`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether it is MariaDB, which went its own way with users.
    pub fn is_mariadb(&self) -> bool {
        self.version.contains("MariaDB")
    }

    fn run(&mut self, sql: &Sql) -> Result<(Rows, u16), Error> {
        let statement = sql.as_str();
        if statement.len() > STATEMENT_BYTES_MAX || statement.contains('\0') {
            return Err(Error::BadInput("a statement is too long, or has a zero byte in it".to_owned()));
        }
        self.say(COM_QUERY, statement.as_bytes())
    }

    fn say(&mut self, command: u8, words: &[u8]) -> Result<(Rows, u16), Error> {
        let said = self.packets.begin(&[&[command], words].concat());
        let result = said.and_then(|()| rows::read(&mut self.packets));
        self.packets.settle(result)
    }
}
