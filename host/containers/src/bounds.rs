//! How long each function may take and how much it may read. A value and not only constants, so that a test need not wait.

use std::time::Duration;

/// A look at something, or a small change of it.
const LOOK_S_MAX: u64 = 10;
/// Making, starting or removing something; stopping has the container's own time beside it.
const CHANGE_S_MAX: u64 = 60;
/// How long nothing happens before the engine is asked whether it is still there.
const SILENCE_S_MAX: u64 = 60;
/// An answer about one object.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A list of objects. One of them takes some 2 KiB.
const LIST_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// One item of a stream: a line of progress, an event, a piece of output. Engines send at most 32 KiB.
const ITEM_BYTES_MAX: u64 = 1024 * 1024;
/// How many objects a list may hold.
const OBJECTS_MAX: usize = 10_000;

/// The bounds of one engine's functions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) look: Duration,
    pub(crate) change: Duration,
    pub(crate) silence: Duration,
    pub(crate) answer_bytes: u64,
    pub(crate) list_bytes: u64,
    pub(crate) item_bytes: u64,
    pub(crate) objects: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(LOOK_S_MAX),
            change: Duration::from_secs(CHANGE_S_MAX),
            silence: Duration::from_secs(SILENCE_S_MAX),
            answer_bytes: ANSWER_BYTES_MAX,
            list_bytes: LIST_BYTES_MAX,
            item_bytes: ITEM_BYTES_MAX,
            objects: OBJECTS_MAX,
        }
    }
}
