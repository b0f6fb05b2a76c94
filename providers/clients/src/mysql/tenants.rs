//! A user and a database of its own on a server that many addons share.
//!
//! These servers have no transaction around such statements and no place for a remark that both of them know. So whatever has the
//! tenant's name is taken for the tenant's: give names that nobody else would, made from the addon's id.

use super::login::native_hash;
use super::{Session, Sql};
use crate::{Error, Stream};

/// What all versions take as a user's name.
const NAME_BYTES_MAX: usize = 32;
/// What is there from the beginning.
const RESERVED: [&str; 6] = ["mysql", "sys", "root", "mariadb", "test", "debian-sys-maint"];
/// How long to wait for a session that was told to end, in seconds.
const WAIT_SECONDS_MAX: i32 = 10;
const NO_SUCH_SESSION: &str = "1094";

/// Who gets a database, or a further user for it.
#[derive(Clone, Copy)]
pub struct Tenant<'a> {
    /// The name of the user, and of the database: a letter, and then a-z, 0-9 and `-`. `_` would stand for any character in a grant.
    pub name: &'a str,
    /// The user's password. MariaDB is only told its hash.
    pub password: &'a str,
    /// How many sessions the user may have at once.
    pub connections_max: Option<u16>,
}

/// Makes a database and a user who has all rights there and none elsewhere; or, where they are there already, whatever of them is
/// missing, and sets the password again.
///
/// # Errors
/// The server refuses, or the name is none.
pub fn create_user_and_database<S: Stream>(session: &mut Session<S>, tenant: &Tenant<'_>) -> Result<(), Error> {
    check(session, tenant.name)?;
    session.query(&Sql::new("CREATE DATABASE IF NOT EXISTS ").name(tenant.name).then(" CHARACTER SET utf8mb4"))?;
    create_user(session, tenant.name, tenant)
}

/// Makes a user for a database that is there: a further one, so that an old and a new password both work while apps change over.
///
/// # Errors
/// The server refuses, or a name is none.
pub fn create_user<S: Stream>(session: &mut Session<S>, database: &str, user: &Tenant<'_>) -> Result<(), Error> {
    check(session, database)?;
    check(session, user.name)?;
    // The server prefers it to the one that we make, for whoever connects from there.
    session.query(&account(Sql::new("DROP USER IF EXISTS "), user.name, "localhost"))?;
    let create = account(Sql::new("CREATE USER IF NOT EXISTS "), user.name, "%");
    let create = identified(session, create, user.password);
    session.query(&create)?;
    let alter = account(Sql::new("ALTER USER "), user.name, "%");
    let alter = identified(session, alter, user.password).then(" WITH MAX_USER_CONNECTIONS ");
    session.query(&alter.number(user.connections_max.unwrap_or_default()))?;
    let grant = Sql::new("GRANT ALL PRIVILEGES ON ").name(database).then(".* TO ");
    session.query(&account(grant, user.name, "%"))?;
    Ok(())
}

/// Removes the user and the database with everything in it, and ends the user's sessions. Further users are removed by [`drop_user`].
///
/// # Errors
/// The server refuses.
pub fn drop_user_and_database<S: Stream>(session: &mut Session<S>, name: &str) -> Result<(), Error> {
    drop_user(session, name)?;
    // A session that is still ending may hold a table.
    session.query(&Sql::new("SET SESSION lock_wait_timeout = ").number(WAIT_SECONDS_MAX))?;
    session.query(&Sql::new("DROP DATABASE IF EXISTS ").name(name))?;
    Ok(())
}

/// Removes a user, and ends its sessions.
///
/// # Errors
/// The server refuses.
pub fn drop_user<S: Stream>(session: &mut Session<S>, name: &str) -> Result<(), Error> {
    check(session, name)?;
    for host in ["%", "localhost"] {
        session.query(&account(Sql::new("DROP USER IF EXISTS "), name, host))?;
    }
    end_sessions(session, name)
}

/// The server leaves them be, with all their rights.
pub(super) fn end_sessions<S: Stream>(session: &mut Session<S>, name: &str) -> Result<(), Error> {
    let sessions = Sql::new("SELECT id FROM information_schema.processlist WHERE user = ").literal(name);
    for id in session.query(&sessions)?.column() {
        let id: i64 = id.parse().map_err(|_| Error::protocol("a session's number is none"))?;
        match session.query(&Sql::new("KILL CONNECTION ").number(id)) {
            Err(error) if error.code() != Some(NO_SUCH_SESSION) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn account(sql: Sql, user: &str, host: &str) -> Sql {
    sql.literal(user).then("@").literal(host)
}

/// MariaDB takes the hash, so that neither its log nor the network has the password; MySQL's own ways of keeping one are too many.
fn identified<S: Stream>(session: &Session<S>, sql: Sql, password: &str) -> Sql {
    if session.is_mariadb() {
        return sql.then(" IDENTIFIED BY PASSWORD ").literal(&native_hash(password));
    }
    sql.then(" IDENTIFIED BY ").literal(password)
}

/// A name is neither a pattern nor somebody's who was here before us.
pub(super) fn check<S: Stream>(session: &mut Session<S>, name: &str) -> Result<(), Error> {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = name.len() <= NAME_BYTES_MAX && name.starts_with(|first: char| first.is_ascii_lowercase());
    if !is_name || !name.bytes().all(is_fine) || RESERVED.contains(&name) {
        let what = format!("`{name}` is no name here: a letter, and up to {} of a-z, 0-9 and `-`", NAME_BYTES_MAX - 1);
        return Err(Error::BadInput(what));
    }
    let me = session.query(&Sql::new("SELECT substring_index(current_user(), '@', 1)"))?;
    if me.value() == Some(name) {
        return Err(Error::Foreign(format!("the user `{name}`, who administers the server,")));
    }
    Ok(())
}
