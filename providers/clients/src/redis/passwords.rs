//! Another password for a user who stays what it is, and the end of what was opened, or made, by an old one.

use super::users::{by, check, keep};
use super::{Kept, Session, Value};
use crate::{Error, Stream};

/// How often users are looked for that others have made while they were themselves being removed.
const ROUNDS_MAX: u32 = 20;

/// Lets a user in by these passwords and by no others. Only their digests are sent. Whoever is logged in stays so.
///
/// # Errors
/// The server refuses, or the name is not to be had.
pub fn set_passwords<S: Stream>(session: &mut Session<S>, user: &str, passwords: &[&str]) -> Result<Kept, Error> {
    check(user)?;
    let rules = format!("resetpass{}", by(passwords));
    let mut words: Vec<&[u8]> = vec![b"ACL", b"SETUSER", user.as_bytes()];
    words.extend(rules.split(' ').map(str::as_bytes));
    session.command(&words)?;
    keep(session)
}

/// Closes all of a user's connections but this one. The server does not know by which password each of them was opened, so those with
/// a new one have to come again, too.
///
/// # Errors
/// The server refuses, or the name is not to be had.
pub fn end_sessions<S: Stream>(session: &mut Session<S>, user: &str) -> Result<(), Error> {
    check(user)?;
    session.command(&[b"CLIENT", b"KILL", b"USER", user.as_bytes(), b"SKIPME", b"yes"])?;
    Ok(())
}

/// Removes all users but this one, and closes their connections: whoever may do everything on a server makes users there whose passwords
/// nobody else knows. Close that one's own connections first, or they make more.
///
/// # Errors
/// The server refuses, or the name is not to be had.
pub fn delete_other_users<S: Stream>(session: &mut Session<S>, user: &str) -> Result<Kept, Error> {
    check(user)?;
    for _ in 0..ROUNDS_MAX {
        let Value::Array(users) = session.command(&[b"ACL", b"USERS"])? else { return Err(not_understood()) };
        let names = users.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let others: Vec<&[u8]> = names.into_iter().filter(|name| *name != user.as_bytes()).collect();
        if others.is_empty() {
            return keep(session);
        }
        session.command(&[&[&b"ACL"[..], b"DELUSER"], &others[..]].concat())?;
    }
    Err(Error::protocol("users are made there as fast as they are removed"))
}

fn name(user: &Value) -> Result<&[u8], Error> {
    match user {
        Value::Bytes(name) => Ok(name),
        _ => Err(not_understood()),
    }
}

fn not_understood() -> Error {
    Error::protocol("a list of users is something else than it should be")
}
