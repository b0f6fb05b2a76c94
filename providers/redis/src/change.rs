//! Another size or other settings for a server that has data.
//!
//! It is made anew with its volume, and reads there what it is told to read: a log of all changes if it persists, else a snapshot,
//! which it writes whenever it is stopped. So before it is told to read the log, there has to be one.

use std::time::Duration;

use larder_clients::redis::Value;
use larder_sdk::{Addon, Failure};

use crate::offer::Parameters;
use crate::server::{self, Server};

/// How long to wait for a log that is being written.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

pub(crate) fn begin(addon: &Addon) -> Result<String, Failure> {
    let previous = addon.previous_parameters::<Parameters>()?.unwrap_or_default();
    if !previous.persists() && addon.parameters::<Parameters>()?.persists() {
        write_log(addon)?;
    }
    Server::of(addon)?.ensure()?;
    Ok("The Redis server is started anew, with its data; it is back in a moment".to_owned())
}

/// Has the server write the log of what it holds. That goes on beside everything else, so it is asked for again until it is done.
fn write_log(addon: &Addon) -> Result<(), Failure> {
    let mut session = server::session(addon)?;
    session.command(&[b"CONFIG", b"SET", b"appendonly", b"yes"])?;
    let about = match session.command(&[b"INFO", b"persistence"])? {
        Value::Bytes(about) => String::from_utf8_lossy(&about).into_owned(),
        _ => String::new(),
    };
    let says = |line: &str| about.lines().any(|said| said.trim_end() == line);
    if says("aof_rewrite_in_progress:0") && says("aof_rewrite_scheduled:0") && says("aof_last_bgrewrite_status:ok") {
        return Ok(());
    }
    Err(Failure::retry_after(AGAIN_AFTER, "Redis writes its data in the way in which they persist"))
}
