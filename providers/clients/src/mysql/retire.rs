//! The end of a user beside whom there is another one for the same database.
//!
//! Views, triggers, routines and events run with the rights of whoever made them, and fail when that user is gone. So a user who has made
//! any stays, and nobody can log in as it any more. On MariaDB its routines become the other user's: nobody but the maker of a routine is
//! told what is in it, so that it could not be exported otherwise.

use super::tenants::{account, check, drop_user, end_sessions};
use super::{Session, Sql};
use crate::{Error, Stream};

/// What became of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// It is gone, or never was.
    Gone,
    /// Nobody can log in as it. It stays for what runs with its rights.
    Shut,
}

/// Sees to it that nobody can log in as a user, who may be gone, and ends its sessions.
///
/// # Errors
/// The server refuses, or the name is none.
pub fn shut_user<S: Stream>(session: &mut Session<S>, user: &str) -> Result<(), Error> {
    check(session, user)?;
    session.query(&account(Sql::new("ALTER USER IF EXISTS "), user, "%").then(" ACCOUNT LOCK"))?;
    end_sessions(session, user)
}

/// Ends the use of a user, and its sessions. What goes on as another's goes on as that of the heir, who has the same rights.
///
/// # Errors
/// The server refuses, or a name is none.
pub fn retire_user<S: Stream>(
    session: &mut Session<S>,
    database: &str,
    user: &str,
    heir: &str,
) -> Result<Retired, Error> {
    check(session, database)?;
    check(session, heir)?;
    shut_user(session, user)?;
    if !defines(session, database, user)? {
        return drop_user(session, user).map(|()| Retired::Gone);
    }
    bequeath(session, database, user, heir)?;
    Ok(Retired::Shut)
}

/// Makes a user's routines another's. MySQL keeps them where nobody can change them.
fn bequeath<S: Stream>(session: &mut Session<S>, database: &str, user: &str, heir: &str) -> Result<(), Error> {
    const COUNT: &str = "SELECT count(*) FROM information_schema.routines WHERE routine_schema = ";
    let (from, to) = (format!("{user}@%"), format!("{heir}@%"));
    let count = Sql::new(COUNT).literal(database).then(" AND definer = ").literal(&from);
    if !session.is_mariadb() || session.query(&count)?.value() == Some("0") {
        return Ok(());
    }
    let change = Sql::new("UPDATE mysql.proc SET definer = ").literal(&to).then(" WHERE db = ").literal(database);
    session.query(&change.then(" AND definer = ").literal(&from))?;
    Ok(())
}

/// The users whose names are like this, in which `%` stands for anything.
///
/// # Errors
/// The server refuses.
pub fn users_like<S: Stream>(session: &mut Session<S>, pattern: &str) -> Result<Vec<String>, Error> {
    let users = session.query(&Sql::new("SELECT DISTINCT user FROM mysql.user WHERE user LIKE ").literal(pattern))?;
    Ok(users.column().map(str::to_owned).collect())
}

/// Whether something in the database runs with the user's rights.
fn defines<S: Stream>(session: &mut Session<S>, database: &str, user: &str) -> Result<bool, Error> {
    const KINDS: [&str; 4] = [
        "SELECT count(*) FROM information_schema.views WHERE table_schema = ",
        "SELECT count(*) FROM information_schema.triggers WHERE trigger_schema = ",
        "SELECT count(*) FROM information_schema.routines WHERE routine_schema = ",
        "SELECT count(*) FROM information_schema.events WHERE event_schema = ",
    ];
    let definer = format!("{user}@%");
    for kind in KINDS {
        let count = Sql::new(kind).literal(database).then(" AND definer = ").literal(&definer);
        if session.query(&count)?.value() != Some("0") {
            return Ok(true);
        }
    }
    Ok(false)
}
