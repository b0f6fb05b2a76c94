//! Where everything lives that must survive: the [`Store`](larder_domain::ports::Store) port over a database.
//!
//! [`sqlite`] is the embedded default, for one process. A second backend stands beside it under the same file names and
//! shares what is here: how values are sealed ([`KeyfileSealer`]), to which place each belongs (`places`), and how
//! they look inside (`codec`). `tests/conformance` holds for every backend.

mod clock;
mod codec;
mod places;
mod sealer;
pub mod sqlite;

pub use clock::{Clock, ManualClock, SystemClock};
pub use sealer::{KeyError, KeyfileSealer};
pub use sqlite::{MemoryDatabase, OpenError, SqliteStore, Time};
