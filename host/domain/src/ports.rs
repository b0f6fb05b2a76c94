//! What the host needs from the outside, as traits: each is implemented once for real and, where a test needs it, once as a fake.

pub mod backups;
pub mod engine;
pub mod keys;
pub mod runtime;
pub mod sealer;
pub mod sink;
pub mod store;

pub use backups::{Backup, BackupError, Backups};
pub use engine::{Engine, EngineError};
pub use keys::{KeyState, Keys, KeysError};
pub use runtime::{Call, CallContext, CallReport, Export, ProviderRuntime, Reply};
pub use sealer::{SealError, Sealer};
pub use sink::{AppSink, SinkError};
pub use store::{Storage, Store, StoreError};
