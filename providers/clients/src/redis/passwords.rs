//! Another password for a user who stays what it is, and the end of what was opened by an old one.

use super::users::{by, check, keep};
use super::{Kept, Session};
use crate::{Error, Stream};

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
