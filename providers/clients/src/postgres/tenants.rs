//! A role and a database of its own on a server that many addons share.
//!
//! A role says in its comment that Larder made it, and for what. It gets that comment in the transaction that makes it, so whatever
//! comes in between, what has none is somebody else's and is left alone. What a role without the comment owns is not ours either.

use postgres_protocol::password::scram_sha_256;

use super::logins::{end_sessions, logins_of, shut};
use super::{Session, Sql, check_name};
use crate::{Error, Stream};

const DUPLICATE_ROLE: &str = "42710";
const DUPLICATE_DATABASE: &str = "42P04";
const WRONG_OBJECT_TYPE: &str = "42809";
const DEPENDENT_OBJECTS: &str = "2BP01";
/// From this version on, the server itself ends the sessions in a database that is dropped.
const DROPS_BY_FORCE: u32 = 13;

/// Who gets a database, or a further login for it.
#[derive(Clone, Copy)]
pub struct Tenant<'a> {
    /// The name of the role, and of the database.
    pub name: &'a str,
    /// The role's password. Only its SCRAM verifier is sent.
    pub password: &'a str,
    /// How many sessions the role may have at once.
    pub connections_max: Option<u16>,
}

/// What became of a tenant, or of a further login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Nothing of it is there any more, or never was.
    Gone,
    /// A role stays, without anything of its own, and nobody can log in as it: somebody has given it rights in another database.
    Shut,
    /// A role of this name is there, but was not made here.
    NotOurs,
}

/// Makes a role and a database that only it can connect to; or, where they are there already, whatever of them is missing, and sets
/// the password again. It can connect to what is open to all, too: see [`super::open_to_all`].
///
/// # Errors
/// The server refuses, or the name is taken by something that is not ours.
pub fn create_role_and_database<S: Stream>(session: &mut Session<S>, tenant: &Tenant<'_>) -> Result<(), Error> {
    let name = tenant.name;
    check_name(name)?;
    make_role(session, tenant, &owner_mark(name))?;
    make_database(session, name)
}

/// Removes the database with everything in it, its role and all further logins, and ends their sessions. A role that can't be removed is
/// shut, and may be tried again.
///
/// # Errors
/// The server refuses.
pub fn drop_role_and_database<S: Stream>(session: &mut Session<S>, name: &str) -> Result<Dropped, Error> {
    check_name(name)?;
    match mark_of(session, name)? {
        // The role goes last, so there is no database either.
        None => return Ok(Dropped::Gone),
        Some(mark) if mark != owner_mark(name) => return Ok(Dropped::NotOurs),
        Some(_) => {}
    }
    let logins = logins_of(session, name)?;
    for role in logins.iter().map(String::as_str).chain([name]) {
        shut(session, role)?;
    }
    if owner_of(session, name)?.is_some_and(|owner| owner == name) {
        drop_database(session, name)?;
    }
    let mut all = Dropped::Gone;
    for role in logins.iter().map(String::as_str).chain([name]) {
        end_sessions(session, role)?;
        if drop_role(session, role)? == Dropped::Shut {
            all = Dropped::Shut;
        }
    }
    Ok(all)
}

/// What the comment of a tenant's role says.
fn owner_mark(name: &str) -> String {
    format!("Larder: owns the database {name}")
}

/// Makes a role with this comment, unless there is one, and has it log in with this password.
pub(super) fn make_role<S: Stream>(session: &mut Session<S>, tenant: &Tenant<'_>, mark: &str) -> Result<(), Error> {
    let role = tenant.name;
    // One transaction: a role without the comment would be nobody's.
    let make = Sql::new("CREATE ROLE ")
        .name(role)
        .then(" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS; COMMENT ON ROLE ")
        .name(role)
        .then(" IS ")
        .literal(mark);
    match session.query(&make) {
        Err(error) if error.code() == Some(DUPLICATE_ROLE) => {
            if mark_of(session, role)?.as_deref() != Some(mark) {
                return Err(Error::Foreign(format!("a role `{role}`")));
            }
        }
        made => drop(made?),
    }
    // Others than superusers must be members of a role whose databases and sessions they administer.
    if !is_superuser(session)? {
        session.query(&Sql::new("GRANT ").name(role).then(" TO CURRENT_USER"))?;
    }
    // What it can't do is not said again: that is for superusers alone, and only they could have changed it.
    let verifier = scram_sha_256(tenant.password.as_bytes());
    let alter = Sql::new("ALTER ROLE ").name(role).then(" LOGIN PASSWORD ").literal(&verifier);
    let connections_max = tenant.connections_max.map_or(-1, i32::from);
    session.query(&alter.then(" CONNECTION LIMIT ").number(connections_max))?;
    Ok(())
}

/// Nobody can connect until the public can't.
fn make_database<S: Stream>(session: &mut Session<S>, name: &str) -> Result<(), Error> {
    let make = Sql::new("CREATE DATABASE ").name(name).then(" OWNER ").name(name).then(" ALLOW_CONNECTIONS false");
    match session.query(&make) {
        Err(error) if error.code() == Some(DUPLICATE_DATABASE) => {
            if owner_of(session, name)?.as_deref() != Some(name) {
                return Err(Error::Foreign(format!("a database `{name}`")));
            }
        }
        made => drop(made?),
    }
    session.query(&Sql::new("REVOKE ALL ON DATABASE ").name(name).then(" FROM PUBLIC"))?;
    session.query(&Sql::new("ALTER DATABASE ").name(name).then(" ALLOW_CONNECTIONS true"))?;
    Ok(())
}

fn drop_database<S: Stream>(session: &mut Session<S>, name: &str) -> Result<(), Error> {
    let by_force = session.major_version()? >= DROPS_BY_FORCE;
    let drop = Sql::new("DROP DATABASE IF EXISTS ").name(name).then(if by_force { " WITH (FORCE)" } else { "" });
    if !by_force {
        session.query(&Sql::new("ALTER DATABASE ").name(name).then(" ALLOW_CONNECTIONS false"))?;
        let end = Sql::new("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ").literal(name);
        session.query(&end)?;
    }
    match session.query(&drop) {
        // Its owner can make a template of it, so that it would stay for ever.
        Err(error) if error.code() == Some(WRONG_OBJECT_TYPE) => {
            session.query(&Sql::new("ALTER DATABASE ").name(name).then(" IS_TEMPLATE false"))?;
            session.query(&drop)?;
        }
        dropped => std::mem::drop(dropped?),
    }
    Ok(())
}

/// Drops a role that is shut. What it has in this session's database, or was given there or of the server's own, goes with it.
///
/// Whoever has a database gives rights in it to any role, again and again, and lets in whom they like: so what is in other databases is
/// left to those, and the role stays as it is.
pub(super) fn drop_role<S: Stream>(session: &mut Session<S>, role: &str) -> Result<Dropped, Error> {
    if !is_in_the_way(session, role)? {
        return Ok(Dropped::Gone);
    }
    session.query(&Sql::new("DROP OWNED BY ").name(role))?;
    Ok(if is_in_the_way(session, role)? { Dropped::Shut } else { Dropped::Gone })
}

/// Whether a role can't be dropped for what it has; otherwise it is gone.
fn is_in_the_way<S: Stream>(session: &mut Session<S>, role: &str) -> Result<bool, Error> {
    match session.query(&Sql::new("DROP ROLE IF EXISTS ").name(role)) {
        Err(error) if error.code() == Some(DEPENDENT_OBJECTS) => Ok(true),
        dropped => dropped.map(|_| false),
    }
}

/// A role's comment, empty if it has none; none if there is no such role.
pub(super) fn mark_of<S: Stream>(session: &mut Session<S>, role: &str) -> Result<Option<String>, Error> {
    const MARK: &str = "SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = ";
    Ok(session.query(&Sql::new(MARK).literal(role))?.value().map(str::to_owned))
}

fn owner_of<S: Stream>(session: &mut Session<S>, database: &str) -> Result<Option<String>, Error> {
    const OWNER: &str = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = ";
    Ok(session.query(&Sql::new(OWNER).literal(database))?.value().map(str::to_owned))
}

fn is_superuser<S: Stream>(session: &mut Session<S>) -> Result<bool, Error> {
    const IS: &str = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    Ok(session.query(&Sql::new(IS))?.value() == Some("t"))
}
