//! The sealing key's rotation, from the new key to the end of the old one: of a data directory ([`embedded`]), and of an installation whose
//! nodes share a database of a server ([`shared`]).

mod embedded;
mod shared;

use std::time::Duration;

pub(crate) use embedded::OwnKeys;
pub(crate) use shared::SharedKeys;

/// What was sealed with the old key before the new one came is stored by then, as a rule; what is not is refused.
const SETTLE: Duration = Duration::from_millis(250);
/// How often the database is tried to be compacted at once.
const COMPACTIONS_MAX: u32 = 5;
/// The pause between two tries.
const COMPACTION_PAUSE: Duration = Duration::from_secs(2);
