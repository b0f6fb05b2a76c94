//! The store: one port for everything that must survive. Each function is one transaction.
//!
//! Addons change only through [`AddonStore::apply`], which reads the row, asks [`crate::transition`], and writes its answer, all
//! in one transaction: there is no moment at which anybody could come between.

mod addons;
mod apps;
mod audit;
mod engines;
mod nodes;
mod objects;
mod providers;
mod work;

pub use addons::{
    AddonFilter, AddonStore, Applied, Change, Child, CreateRefusal, Created, Fence, ISSUED_MAX, Idempotency, InUse,
    NewAddon, ProtectRefusal, StoredLog, UndeleteRefusal, Unless,
};
pub use apps::{
    APP_VARIABLES_MAX, AppRefusal, AppStore, AppVariable, CASCADE_ADDONS_MAX, Cascade, ConfigPatch, PatchRefusal,
};
pub use audit::AuditStore;
pub use engines::{AddRefusal, AddedEngine, EngineStore, Inhabited, NewEngine};
pub use nodes::{EngineShared, NodeStore, ReachedEngine, Standing};
pub use objects::{Desired, NoPort, ObjectOwner, ObjectStore, Phase, PortMap, Publish, StoredObject};
pub use providers::{CheckOutcome, ProviderStore, RemoveRefusal, RevisionChanged, UploadOutcome};
pub use work::{Leased, WorkStore};

use crate::ids::InstallationId;
use crate::time::{StoreTime, WallTime};

/// A transaction that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The writer no longer holds the lease under which it writes.
    #[error("the lease was lost: somebody else drives this now")]
    Fenced,
    /// No such row.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The state machine refused the event.
    #[error(transparent)]
    Illegal(#[from] crate::Illegal),
    /// An event would take a place that is not to be had.
    #[error(transparent)]
    Quota(#[from] crate::quota::QuotaExceeded),
    /// A sealed value can't be opened.
    #[error(transparent)]
    Seal(#[from] super::SealError),
    /// What stands in the store can't be read by this version.
    #[error("the store holds {0}, which this version can't read")]
    Corrupt(String),
    /// The store has more to do than it can hold. Worth another try.
    #[error("the store is overloaded")]
    Busy,
    /// The database can't be asked just now: its server is gone, silent, or lets this node in no more. What was asked last may have been
    /// done all the same.
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    /// The disk that the database is on does not do what it should.
    #[error(transparent)]
    Storage(#[from] Storage),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Whether the store tells its operator itself, once: that its disk fails, or its server is gone. It fails with everything that is asked.
    #[must_use]
    pub const fn is_told_already(&self) -> bool {
        matches!(self, Self::Storage(_) | Self::Unreachable(_))
    }

    /// Whether it is about what stands in a row, and so says nothing about any other.
    #[must_use]
    pub const fn is_of_a_row(&self) -> bool {
        matches!(self, Self::Seal(_) | Self::Corrupt(_) | Self::Storage(Storage::Damaged))
    }

    /// Whether the same may be stored a moment later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Busy | Self::Unreachable(_) | Self::Database(_) | Self::Storage(_))
    }
}

/// What is the matter with a disk, its database's server included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Storage {
    /// There is no room. What is there can be read, and what is stored stays.
    #[error("the disk that the database is on is full")]
    Full,
    /// Nobody may write to it.
    #[error("the disk that the database is on can only be read")]
    ReadOnly,
    /// It doesn't read or write what it is told to.
    #[error("the disk that the database is on fails")]
    Failing,
    /// What is on it is not what was written.
    #[error("a part of the database is damaged")]
    Damaged,
}

/// Waits for commits.
#[async_trait::async_trait]
pub trait Watcher: Send {
    /// Waits until something was committed since the last call, or since the watcher was made. False when the store is closed.
    async fn changed(&mut self) -> bool;
}

/// All of the store.
pub trait Store:
    AddonStore + AppStore + AuditStore + EngineStore + NodeStore + ObjectStore + ProviderStore + WorkStore
{
    /// The clock of due work, leases and deadlines.
    fn now(&self) -> StoreTime;

    /// The same moment for people.
    fn wall(&self) -> WallTime;

    /// Who this store is.
    fn installation(&self) -> InstallationId;
}
