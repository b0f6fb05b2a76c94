//! Whom a tenant has let into its database, or into its role. Whoever has a tenant's credentials gives others such rights, and those would
//! outlive the credentials; so they end with them.

use std::collections::BTreeSet;

use super::logins::login_mark;
use super::{Session, Sql};
use crate::{Error, Stream};

/// From this version on, a membership is taken back by who gave it, and there may be several of one role in another.
const HAS_GRANTORS: u32 = 16;
/// What the server calls everybody, in a list of rights.
const PUBLIC: &str = "PUBLIC";

/// Takes from all others the way into a tenant's database and its role, and ends what they have opened there. Gives their names.
///
/// Others are all roles but the owner and its logins, and those who may make roles, who could have it back whenever they like. Sessions
/// of roles that the administrator is no member of are not its to end.
pub(super) fn shut_out_others<S: Stream>(session: &mut Session<S>, owner: &str) -> Result<BTreeSet<String>, Error> {
    // In this order: who acts as the owner could let in others again.
    let mut others = end_memberships(session, owner)?;
    for other in &others {
        let end = end_sessions_that("a.usename = ").literal(other);
        session.query(&end)?;
    }
    others.extend(end_rights(session, owner)?);
    let end = end_sessions_that("a.datname = ").literal(owner).then(" AND NOT ");
    session.query(&own(end, owner))?;
    Ok(others)
}

/// Of the tenant's roles, that is.
fn end_memberships<S: Stream>(session: &mut Session<S>, owner: &str) -> Result<BTreeSet<String>, Error> {
    const MEMBERS: &str = "SELECT r.rolname, g.rolname, pg_get_userbyid(m.grantor) FROM pg_auth_members m \
        JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid WHERE (g.rolname = ";
    const OR_A_LOGIN: &str = " OR shobj_description(g.oid, 'pg_authid') = ";
    let has_grantors = session.major_version()? >= HAS_GRANTORS;
    let of_owner = Sql::new(MEMBERS).literal(owner).then(OR_A_LOGIN).literal(&login_mark(owner)).then(") AND NOT ");
    let members = session.query(&own(of_owner, owner))?;
    let mut others = BTreeSet::new();
    for row in members.all() {
        let [Some(member), Some(role), Some(grantor)] = row.as_slice() else { continue };
        let revoke = Sql::new("REVOKE ").name(role).then(" FROM ").name(member);
        let revoke = if has_grantors { revoke.then(" GRANTED BY ").name(grantor) } else { revoke };
        session.query(&revoke.then(" CASCADE"))?;
        others.insert(member.clone());
    }
    Ok(others)
}

/// In the tenant's database, as a whole: without them, nobody comes to what is in it.
fn end_rights<S: Stream>(session: &mut Session<S>, owner: &str) -> Result<BTreeSet<String>, Error> {
    const GRANTEES: &str = "SELECT DISTINCT r.rolname, a.grantee = 0 FROM pg_database d, aclexplode(d.datacl) a \
        LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE a.grantee <> d.datdba AND d.datname = ";
    let of_owner = Sql::new(GRANTEES).literal(owner).then(" AND pg_get_userbyid(d.datdba) = ").literal(owner);
    let grantees = session.query(&own(of_owner.then(" AND NOT "), owner))?;
    let mut others = BTreeSet::new();
    for row in grantees.all() {
        let revoke = Sql::new("REVOKE ALL ON DATABASE ").name(owner).then(" FROM ");
        let (revoke, grantee) = match row.as_slice() {
            [Some(grantee), _] => (revoke.name(grantee), grantee.as_str()),
            [None, Some(is_public)] if is_public == "t" => (revoke.then(PUBLIC), PUBLIC),
            // Of a role that is gone.
            _ => continue,
        };
        session.query(&revoke.then(" CASCADE"))?;
        others.insert(grantee.to_owned());
    }
    Ok(others)
}

/// Adds the condition that a role `r`, which may be none, is the owner's or an administrator's.
fn own(sql: Sql, owner: &str) -> Sql {
    let named = sql.then("coalesce(r.rolsuper OR r.rolcreaterole OR r.rolname = ").literal(owner);
    named.then(" OR shobj_description(r.oid, 'pg_authid') = ").literal(&login_mark(owner)).then(", false)")
}

/// Begins to end those sessions that the administrator may end and that fulfil this.
fn end_sessions_that(condition: &'static str) -> Sql {
    const END: &str = "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid \
        WHERE pg_has_role(r.oid, 'USAGE') AND ";
    Sql::new(END).then(condition)
}
