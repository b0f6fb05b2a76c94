//! Another password for a user who stays what it is, and the end of what was opened, or made, by an old one.

use super::users::{by, check, digest, keep};
use super::{Kept, Session, Value};
use crate::{Error, Stream};

/// How often users are looked for that others have made before they were themselves removed.
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

/// Leaves nobody on a server but one user, who gets in by this password and by no other, and no connection but this one: whoever may do
/// everything there makes users whose passwords nobody else knows, and gives more of them to this user.
///
/// A round of it happens at one moment, so that nobody is there meanwhile who takes a part of it back. Users that nobody has told of
/// before it take another one.
///
/// # Errors
/// The server refuses, the name is not to be had, or users are made there as fast as they are removed.
pub fn leave_only<S: Stream>(session: &mut Session<S>, user: &str, password: &str) -> Result<Kept, Error> {
    check(user)?;
    let mut others = vec![];
    for _ in 0..ROUNDS_MAX {
        others = round(session, user, password, &others)?;
        if others.is_empty() {
            return keep(session);
        }
    }
    Err(Error::protocol("users are made there as fast as they are removed"))
}

/// Removes these others, and tells which ones there are then.
fn round<S: Stream>(
    session: &mut Session<S>,
    user: &str,
    password: &str,
    others: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, Error> {
    let (name, rule) = (user.as_bytes(), format!("#{}", digest(password)));
    let set: [&[u8]; 5] = [b"ACL", b"SETUSER", name, b"resetpass", rule.as_bytes()];
    let end: [&[u8]; 6] = [b"CLIENT", b"KILL", b"USER", name, b"SKIPME", b"yes"];
    let remove: Vec<&[u8]> =
        [b"ACL".as_slice(), b"DELUSER"].into_iter().chain(others.iter().map(Vec::as_slice)).collect();
    let list: [&[u8]; 2] = [b"ACL", b"USERS"];
    let commands: &[&[&[u8]]] = if others.is_empty() { &[&set, &end, &list] } else { &[&set, &end, &remove, &list] };
    let Some(Value::Array(users)) = at_once(session, commands)?.pop() else { return Err(not_understood()) };
    let names = users.into_iter().map(named).collect::<Result<Vec<_>, _>>()?;
    Ok(names.into_iter().filter(|other| other != name).collect())
}

/// Has the server do all of this at one moment, with nothing of anybody else's in between. Gives its answers.
fn at_once<S: Stream>(session: &mut Session<S>, commands: &[&[&[u8]]]) -> Result<Vec<Value>, Error> {
    session.command(&[b"MULTI"])?;
    for words in commands {
        if let Err(refused) = session.command(words) {
            // It does nothing of it any more, and would go on to collect.
            let _told = session.command(&[b"DISCARD"]);
            return Err(refused);
        }
    }
    let Value::Array(answers) = session.command(&[b"EXEC"])? else { return Err(not_understood()) };
    let done = |answer| match answer {
        Value::Error(refusal) => Err(Error::Refused(refusal)),
        answer => Ok(answer),
    };
    answers.into_iter().map(done).collect()
}

fn named(user: Value) -> Result<Vec<u8>, Error> {
    match user {
        Value::Bytes(name) => Ok(name),
        _ => Err(not_understood()),
    }
}

fn not_understood() -> Error {
    Error::protocol("a list of users is something else than it should be")
}

#[cfg(test)]
mod tests;
