//! What the system lets this process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File handles that are wanted: connections, guests' sockets, the database and compiles, with room.
const OPEN_FILES_WANTED: u64 = 4096;

/// Asks for as many open files as are wanted, or as many as can be had: the usual 1,024 are a bound for programs that can't count.
pub(super) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES_WANTED, |most| most.min(OPEN_FILES_WANTED));
    if limit.current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
    {
        tracing::debug!(%error, "the number of open files can't be raised");
    }
}
