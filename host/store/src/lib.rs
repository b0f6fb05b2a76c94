//! Where everything lives that must survive: the [`Store`](larder_domain::ports::Store) port over a database.
//!
//! [`sql`] is all of it: on SQLite, the embedded default, or on PostgreSQL, in the same statements. Beside it stands how values are
//! sealed ([`KeyfileSealer`]), to which place each belongs (`places`), and how they look inside (`codec`). `tests/conformance` holds
//! for both databases.

mod clock;
mod codec;
mod places;
mod sealer;
pub mod sql;

pub use clock::{Clock, ManualClock, SystemClock};
pub use sealer::{KeyError, KeyfileSealer};
pub use sql::{MemoryDatabase, OpenError, Server, SqlStore, Time, claim};
