//! Further roles that log in for a tenant, so that an old and a new password both work while apps change over. Such a role is a member
//! of the one that owns the database and acts as it from the first statement on: whatever it makes is the owner's and stays.

use super::tenants::{drop_role, make_role, mark_of};
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
    Ok(())
}

/// Ends the use of a login, and its sessions: a further login is removed, the owner itself is kept without a password.
///
/// A login that went back to being itself may have made things of its own. They become the owner's if this session is in the tenant's
/// database; elsewhere, the server says that they are in the way, and the login stays shut.
///
/// # Errors
/// The server refuses, or the login is not one that was made here.
pub fn retire_login<S: Stream>(session: &mut Session<S>, owner: &str, login: &str) -> Result<(), Error> {
    check_name(owner)?;
    check_name(login)?;
    if owner == login {
        shut(session, owner)?;
        return end_sessions(session, owner);
    }
    match mark_of(session, login)? {
        None => return Ok(()),
        Some(mark) if mark != login_mark(owner) => return Err(Error::Foreign(format!("a role `{login}`"))),
        Some(_) => {}
    }
    shut(session, login)?;
    end_sessions(session, login)?;
    session.query(&Sql::new("REASSIGN OWNED BY ").name(login).then(" TO ").name(owner))?;
    drop_role(session, login)
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
fn login_mark(owner: &str) -> String {
    format!("Larder: logs in for {owner}")
}
