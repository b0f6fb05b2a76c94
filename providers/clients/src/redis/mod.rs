//! Redis and what speaks like it: RESP2, the protocol of all its versions.

mod passwords;
mod reply;
mod snapshots;
mod sweep;
#[cfg(test)]
mod tests;
mod users;

pub use passwords::{end_sessions, leave_only, set_passwords};
pub use reply::Value;
pub use snapshots::{Snapshot, write_log, write_snapshot};
pub use sweep::{Sweep, delete_keys};
pub use users::{Kept, Scripts, User, acl_delete_user, acl_set_user, digest, lets_anybody_in};

use crate::wire::Wire;
use crate::{Error, Stream};

/// The longest reply, in bytes.
const REPLY_BYTES_MAX: usize = 1024 * 1024;

/// A session with a server. Where TLS is wanted, the stream must speak it already: Redis has no words before it.
pub struct Session<S> {
    wire: Wire<S>,
}

/// Opens a session and logs in; without a user as `default`, and without a password not at all.
///
/// # Errors
/// The server refuses, or it is no Redis.
pub fn login<S: Stream>(stream: S, user: Option<&str>, password: Option<&str>) -> Result<Session<S>, Error> {
    let mut session = Session { wire: Wire::new(stream) };
    if let Some(password) = password {
        let mut words: Vec<&[u8]> = vec![b"AUTH"];
        words.extend(user.map(str::as_bytes));
        words.push(password.as_bytes());
        // A server may repeat words that it doesn't know.
        session.command(&words).map_err(|error| error.without(password))?;
    }
    session.ping()?;
    Ok(session)
}

impl<S: Stream> Session<S> {
    /// Says a command and gives the answer.
    ///
    /// # Errors
    /// The server refuses: [`Error::Refused`], after which the session goes on. After any other error it doesn't.
    pub fn command(&mut self, words: &[&[u8]]) -> Result<Value, Error> {
        let result = self.say(words);
        match self.wire.settle(result)? {
            Value::Error(refusal) => Err(Error::Refused(refusal)),
            value => Ok(value),
        }
    }

    /// Whether the server is there and lets us in.
    ///
    /// # Errors
    /// It is not, or does not.
    pub fn ping(&mut self) -> Result<(), Error> {
        match self.command(&[b"PING"])? {
            Value::Simple(text) if text == "PONG" => Ok(()),
            _ => Err(Error::protocol("this is no Redis")),
        }
    }

    fn say(&mut self, words: &[&[u8]]) -> Result<Value, Error> {
        let mut message = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            message.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            message.extend_from_slice(word);
            message.extend_from_slice(b"\r\n");
        }
        self.wire.send(&message)?;
        self.wire.allow(REPLY_BYTES_MAX);
        reply::read(&mut self.wire)
    }
}
