//! Another size or other settings for a server that has data.
//!
//! It is made anew with its volume, and reads there what it is told to read: a log of all changes if it persists, else a snapshot,
//! which it writes whenever it is stopped. So before it is told to read the log, there has to be one; and before it is told to read the
//! snapshot, it has to have written a new one, since it may not come to that when it is stopped, and would read an old one then.
//! If the change to no persistence fails afterwards, the host takes it back, and the log is an old one by then: `server` has the
//! container see to it that the last snapshot is read.

use std::time::Duration;

use larder_clients::redis::{self, Snapshot};
use larder_sdk::{Addon, Failure, state};

use crate::offer::Parameters;
use crate::server;

/// How long to wait for a log or a snapshot that is being written.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Where it is remembered which life of the server's a snapshot was begun in.
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
    if redis::write_log(&mut server::session(addon)?)? {
        return Ok(());
    }
    Err(Failure::retry_after(AGAIN_AFTER, "Redis writes its data in the way in which they persist"))
}

/// Has the server write a snapshot of what it holds, likewise. In which life of its it was begun is remembered, so that each call knows
/// whether it looks at the right one.
fn write_snapshot(addon: &Addon) -> Result<(), Failure> {
    let not_yet = |what: &str| Err(Failure::retry_after(AGAIN_AFTER, what));
    match redis::write_snapshot(&mut server::session(addon)?, state::get_text(SNAPSHOT)?.as_deref())? {
        Snapshot::Begun(life) => {
            state::set(SNAPSHOT, &life)?;
            not_yet("Redis writes a snapshot of its data")
        }
        Snapshot::Later(why) => not_yet(&format!("Redis does not write a snapshot yet: {why}")),
        Snapshot::Written => Ok(state::delete(SNAPSHOT)?),
        Snapshot::Failed => Err(Failure::failed(
            "Redis could not write a snapshot, and without one its data would be lost; is there room on the engine's disk?",
        )),
    }
}
