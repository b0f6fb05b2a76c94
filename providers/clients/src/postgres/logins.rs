//! Further roles that log in for a tenant, so that an old and a new password both work while apps change over. Such a role is a member
//! of the one that owns the database and acts as it from the first statement on: whatever it makes is the owner's and stays.

use std::collections::BTreeSet;

use super::others::shut_out_others;
use super::tenants::{Dropped, drop_role, make_role, mark_of};
use super::{Session, Sql, Tenant, check_name};
use crate::{Error, Stream};

/// Makes a role that logs in for the owner of a database, or sets its password again.
///
/// # Errors
/// The server refuses, or the name is taken by something that is not ours.
pub fn create_login<S: Stream>(session: &mut Session<S>, owner: &str, login: &Tenant<'_>) -> Result<(), Error> {
    check_name(owner)?;
    check_name(login.name)?;
    make_role(session, login, &login_mark(owner))?;
    let login = login.name;
    session.query(&Sql::new("GRANT ").name(owner).then(" TO ").name(login))?;
    session.query(&Sql::new("ALTER ROLE ").name(login).then(" SET role = ").name(owner))?;
    open_database(session, owner)
}

/// What came of the end of a login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shut {
    /// Whether there is a role to be removed by [`drop_login`]: the owner itself is kept, without a password.
    pub is_to_be_dropped: bool,
    /// Who else had come to the database, or to the owner's role; `PUBLIC` stands for everybody. They have lost that.
    pub others: BTreeSet<String>,
}

/// Ends the use of a login, its sessions, and what others have been given by it, or by any other: who gave it the server does not tell.
///
/// Ask for this in a database of the administrator's: what somebody does in the tenant's must not be able to keep its login alive.
///
/// # Errors
/// The server refuses, or the login is not one that was made here.
pub fn shut_login<S: Stream>(session: &mut Session<S>, owner: &str, login: &str) -> Result<Shut, Error> {
    check_name(owner)?;
    check_name(login)?;
    let is_further = owner != login;
    match mark_of(session, login)? {
        None if is_further => return Ok(Shut::default()),
        Some(mark) if is_further && mark != login_mark(owner) => {
            return Err(Error::Foreign(format!("a role `{login}`")));
        }
        _ => {}
    }
    shut(session, login)?;
    end_sessions(session, login)?;
    if is_further {
        open_database(session, owner)?;
    }
    Ok(Shut { is_to_be_dropped: is_further, others: shut_out_others(session, owner)? })
}

/// Removes a further login that was shut.
///
/// One that went back to being itself may have made things of its own. They become the owner's if this session is in the tenant's
/// database; what is elsewhere is in the way, and the role stays.
///
/// # Errors
/// The server refuses.
pub fn drop_login<S: Stream>(session: &mut Session<S>, owner: &str, login: &str) -> Result<Dropped, Error> {
    check_name(owner)?;
    check_name(login)?;
    // The database's owner can have everybody act as itself there, who may not do this.
    session.query(&Sql::new("SET ROLE NONE"))?;
    session.query(&Sql::new("REASSIGN OWNED BY ").name(login).then(" TO ").name(owner))?;
    drop_role(session, login)
}

/// A database can be shut by its owner, also to those who are to end the owner's use of it.
fn open_database<S: Stream>(session: &mut Session<S>, name: &str) -> Result<(), Error> {
    session.query(&Sql::new("ALTER DATABASE ").name(name).then(" ALLOW_CONNECTIONS true CONNECTION LIMIT -1"))?;
    session.query(&Sql::new("GRANT ALL ON DATABASE ").name(name).then(" TO ").name(name))?;
    Ok(())
}

/// Whoever has no login keeps the sessions that it has.
pub(super) fn shut<S: Stream>(session: &mut Session<S>, role: &str) -> Result<(), Error> {
    session.query(&Sql::new("ALTER ROLE ").name(role).then(" NOLOGIN PASSWORD NULL"))?;
    Ok(())
}

pub(super) fn end_sessions<S: Stream>(session: &mut Session<S>, role: &str) -> Result<(), Error> {
    let end = Sql::new("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ").literal(role);
    session.query(&end)?;
    Ok(())
}

/// All roles that log in for this owner. Memberships would not tell: a tenant can take in others.
pub(super) fn logins_of<S: Stream>(session: &mut Session<S>, owner: &str) -> Result<Vec<String>, Error> {
    const MARKED: &str = "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = ";
    let logins = session.query(&Sql::new(MARKED).literal(&login_mark(owner)))?;
    Ok(logins.column().map(str::to_owned).collect())
}

/// What the comment of a further login says.
pub(super) fn login_mark(owner: &str) -> String {
    format!("Larder: logs in for {owner}")
}
