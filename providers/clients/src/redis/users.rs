//! Users of a server that many addons share. Each reaches the keys and channels under a prefix of its own, and learns nothing of others.
//!
//! What a user may do is a list of what is good and not of what is bad, so that commands of later versions and of modules are denied
//! until somebody has looked at them. Within what is good, these would reach beyond the prefix:
//!
//! * `SCAN`, `RANDOMKEY`, `DBSIZE`, `KEYS`, `INFO`, `MEMORY STATS`: they tell of everybody's keys. `SORT`: so does its `BY`.
//! * `SELECT`, `MOVE`, `COPY … DB`: another database is neither counted nor swept. Database 0 can be selected, as clients do.
//! * `CLIENT TRACKING … BCAST`: names every key that anybody changes; the server checks no permission there.
//! * `PUBSUB`: lists everybody's channels. `FUNCTION`, `FCALL`: libraries have one name for all.
//! * `SCRIPT FLUSH` and `KILL` reach everybody's scripts.
//!
//! The server compares the pattern of a `PSUBSCRIBE` with what is permitted letter by letter: it must be the prefix, `:*` and no more.
//! And whoever says `RESET` is the user `default` again, so that one must have a password: see [`lets_anybody_in`].

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{Session, Value};
use crate::{Error, Stream};

/// The longest name or prefix, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// By what they are about. Each is asked for its keys and channels by the server.
const GOOD: &str = "+@string +@hash +@list +@set +@sortedset +@stream +@bitmap +@hyperloglog +@geo +@keyspace +@pubsub \
    +@transaction +@connection +time +memory|usage";
/// What would reach beyond the prefix, and what clients need of it all the same.
const BAD: &str = "-@dangerous -@admin -scan -randomkey -dbsize -move -copy -pubsub -select +select|0 -client +client|id \
    +client|getname +client|setname +client|info +client|reply";
/// Scripts are held to the keys of the user who runs them, whatever they declare.
const SCRIPTS: &str = "+eval +evalsha +script|load +script|exists";

/// What a server says that has a file of users and could not write it. Its other file is not where it reads users from, then.
const NOT_WRITTEN: &str = "trying to save the ACLs";

/// A user of one addon.
#[derive(Debug, Clone, Copy)]
pub struct User<'a> {
    /// The name to log in with.
    pub name: &'a str,
    /// All of them will do: two during a rotation. Only their digests are sent.
    pub passwords: &'a [&'a str],
    /// Keys and channels begin with this and a colon. It has none itself, so that no prefix lies within another.
    pub prefix: &'a str,
    /// Whether it may run scripts.
    pub scripts: Scripts,
}

/// Whether a user may run scripts in Lua.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// Not: a script that does not end holds up everybody, and the interpreter has been broken out of more than once.
    Denied,
    /// On a server that is one addon's alone, or whose users trust each other that far.
    Allowed,
}

/// Whether what was said about users outlives a restart of the server: those that were made, and the end of those that were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what is in memory only is as it was before, once the server has been restarted"]
pub enum Kept {
    /// The server has written it to a file.
    OnDisk,
    /// The server has no file for it, or could not write it.
    InMemory,
}

/// Makes a user, or makes one anew that is there: it then has these passwords and no others.
///
/// # Errors
/// The server refuses, or a name is not to be had.
pub fn acl_set_user<S: Stream>(session: &mut Session<S>, user: &User<'_>) -> Result<Kept, Error> {
    check(user.name)?;
    check(user.prefix)?;
    if user.name == "default" {
        return Err(Error::BadInput("the user `default` is not ours".to_owned()));
    }
    let rules = rules(user);
    let mut words: Vec<&[u8]> = vec![b"ACL", b"SETUSER", user.name.as_bytes()];
    words.extend(rules.split(' ').map(str::as_bytes));
    session.command(&words)?;
    keep(session)
}

/// Removes a user, and closes its connections. Its keys stay: see [`super::delete_keys`]. One that is not there is fine.
///
/// # Errors
/// The server refuses.
pub fn acl_delete_user<S: Stream>(session: &mut Session<S>, name: &str) -> Result<Kept, Error> {
    check(name)?;
    session.command(&[b"ACL", b"DELUSER", name.as_bytes()])?;
    keep(session)
}

/// Whether the server asks nobody for a password: users would then keep nothing from each other.
///
/// # Errors
/// The server refuses.
pub fn lets_anybody_in<S: Stream>(session: &mut Session<S>) -> Result<bool, Error> {
    let Value::Array(about) = session.command(&[b"ACL", b"GETUSER", b"default"])? else { return Ok(false) };
    let flags = about.chunks(2).find_map(|pair| match pair {
        [name, Value::Array(flags)] if name.as_text() == Some("flags") => Some(flags),
        _ => None,
    });
    let has = |flag| flags.is_some_and(|flags| flags.iter().any(|value| value.as_text() == Some(flag)));
    Ok(has("on") && has("nopass"))
}

/// Names and prefixes have no character that means something in a rule or in a pattern.
pub(super) fn check(name: &str) -> Result<(), Error> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_fine) {
        let what = format!("`{name}` is no name here: 1 to {NAME_BYTES_MAX} of A-Z, a-z, 0-9, `-`, `_` and `.`");
        return Err(Error::BadInput(what));
    }
    Ok(())
}

fn rules(user: &User<'_>) -> String {
    let mut rules = format!("reset on ~{0}:* resetchannels &{0}:* {GOOD} {BAD}", user.prefix);
    if user.scripts == Scripts::Allowed {
        rules.push(' ');
        rules.push_str(SCRIPTS);
    }
    rules.push_str(&by(user.passwords));
    rules
}

/// The rules that let in by these passwords, each after a space.
pub(super) fn by(passwords: &[&str]) -> String {
    passwords.iter().map(|password| format!(" #{}", digest(password))).collect()
}

/// What a server keeps of a password, as it stands in its file of users after a `#`.
pub fn digest(password: &str) -> String {
    let mut digits = String::new();
    for byte in Sha256::digest(password.as_bytes()) {
        // Into a string: it cannot fail.
        let _written = write!(digits, "{byte:02x}");
    }
    digits
}

/// Has the server write its users to wherever it reads them from when it starts.
pub(super) fn keep<S: Stream>(session: &mut Session<S>) -> Result<Kept, Error> {
    let ways: [&[&[u8]]; 2] = [&[b"ACL", b"SAVE"], &[b"CONFIG", b"REWRITE"]];
    for way in ways {
        match session.command(way) {
            Ok(Value::Simple(_)) => return Ok(Kept::OnDisk),
            Err(Error::Refused(why)) if why.message.contains(NOT_WRITTEN) => return Ok(Kept::InMemory),
            // It has no such file, or does not let us.
            Ok(_) | Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Kept::InMemory)
}
