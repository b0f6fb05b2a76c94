//! Another size or other settings for a server that has data.
//!
//! It is made anew with its volume, and reads there what it is told to read: a log of all changes if it persists, else a snapshot,
//! which it writes whenever it is stopped. So before it is told to read the log, there has to be one; and before it is told to read the
//! snapshot, it has to have written a new one, since it may not come to that when it is stopped, and would read an old one then.
//! If the change to no persistence fails afterwards, the host takes it back, and the log is an old one by then: `server` has the
//! container see to it that the last snapshot is read.

use std::time::Duration;

use larder_clients::redis::{Session, Value};
use larder_clients::{Error, HostStream};
use larder_sdk::{Addon, Failure, state};

use crate::offer::Parameters;
use crate::server;

/// How long to wait for a log or a snapshot that is being written.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// What is remembered while a snapshot is written.
const SNAPSHOT: &str = "snapshot";

pub(crate) fn begin(addon: &Addon) -> Result<String, Failure> {
    let previous = addon.previous_parameters::<Parameters>()?.unwrap_or_default();
    match (previous.persists(), addon.parameters::<Parameters>()?.persists()) {
        (false, true) => write_log(addon)?,
        (true, false) => write_snapshot(addon)?,
        _ => {}
    }
    server::ensure(addon)?;
    Ok("The Redis server is started anew, with its data; it is back in a moment".to_owned())
}

/// Has the server write the log of what it holds. That goes on beside everything else, so it is asked for again until it is done.
fn write_log(addon: &Addon) -> Result<(), Failure> {
    let mut session = server::session(addon)?;
    session.command(&[b"CONFIG", b"SET", b"appendonly", b"yes"])?;
    let says = told(&mut session)?;
    if says("aof_rewrite_in_progress:0") && says("aof_rewrite_scheduled:0") && says("aof_last_bgrewrite_status:ok") {
        return Ok(());
    }
    Err(Failure::retry_after(AGAIN_AFTER, "Redis writes its data in the way in which they persist"))
}

/// Has the server write a snapshot of what it holds, likewise. That it is being written is remembered, so that each call knows whether it
/// looks at the right one.
fn write_snapshot(addon: &Addon) -> Result<(), Failure> {
    let mut session = server::session(addon)?;
    let not_yet = |what| Err(Failure::retry_after(AGAIN_AFTER, what));
    if state::get(SNAPSHOT)?.is_none() {
        // Should it fail, the server is to go on all the same: what it holds is in the log.
        session.command(&[b"CONFIG", b"SET", b"stop-writes-on-bgsave-error", b"no"])?;
        // It refuses while it writes another one, or the log.
        return match session.command(&[b"BGSAVE"]) {
            Ok(_) => {
                state::set(SNAPSHOT, "begun")?;
                not_yet("Redis writes a snapshot of its data".to_owned())
            }
            Err(Error::Refused(why)) => not_yet(format!("Redis does not write a snapshot yet: {why}")),
            Err(error) => Err(error.into()),
        };
    }
    let says = told(&mut session)?;
    if says("rdb_bgsave_in_progress:1") {
        return not_yet("Redis writes a snapshot of its data".to_owned());
    }
    if !says("rdb_last_bgsave_status:ok") {
        return Err(Failure::failed(
            "Redis could not write a snapshot, and without one its data would be lost; is there room on the engine's disk?",
        ));
    }
    Ok(state::delete(SNAPSHOT)?)
}

/// Whether the server tells this line about how its data are kept.
fn told(session: &mut Session<HostStream>) -> Result<impl Fn(&str) -> bool, Failure> {
    let about = match session.command(&[b"INFO", b"persistence"])? {
        Value::Bytes(about) => String::from_utf8_lossy(&about).into_owned(),
        _ => String::new(),
    };
    Ok(move |line: &str| about.lines().any(|said| said.trim_end() == line))
}
