//! Ctrl-C and its kin, turned into a flag that the waiting loops look at.

use std::io::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use libc::{c_int, sighandler_t};

static STOP_ASKED: AtomicBool = AtomicBool::new(false);

/// From now on a request to stop is remembered instead of ending this program at once.
pub(crate) fn watch() -> Result<()> {
    let handler = remember as extern "C" fn(c_int) as sighandler_t;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler does nothing but store to an atomic, which is allowed in a handler.
        if unsafe { libc::signal(signal, handler) } == libc::SIG_ERR {
            return Err(Error::last_os_error()).context("Ctrl-C cannot be watched for");
        }
    }
    Ok(())
}

/// Whether someone asked us to stop.
pub(crate) fn stop_asked() -> bool {
    STOP_ASKED.load(Ordering::Relaxed)
}

/// Asks another process to end in good order: a child that wasn't waited for, or one that was just seen to be what it is taken for.
pub(crate) fn terminate(pid: u32) {
    let Ok(pid) = libc::pid_t::try_from(pid) else {
        return;
    };
    // SAFETY: a plain system call; that the id is still the process's own is up to the caller.
    unsafe { libc::kill(pid, libc::SIGTERM) };
}

/// Sends a signal to a group of processes that a child of ours was started as the first of.
pub(crate) fn signal_group(pid: u32, signal: c_int) {
    let Ok(pid) = libc::pid_t::try_from(pid) else {
        return;
    };
    // SAFETY: a plain system call; the group has the child's own id, which nobody else has before the last of the group is gone.
    unsafe { libc::kill(-pid, signal) };
}

extern "C" fn remember(_signal: c_int) {
    STOP_ASKED.store(true, Ordering::Relaxed);
}
