//! A copy of everything that an installation is made of, taken while it works.

use std::io::Read;

use async_trait::async_trait;

use crate::time::WallTime;

/// A whole backup, before it goes anywhere.
pub struct Backup {
    /// All of it, from its beginning. Reading may wait for a disk.
    pub content: Box<dyn Read + Send>,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Of which moment it is.
    pub made_at: WallTime,
}

/// There is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The copy would leave the host too little room to go on with.
    #[error("a backup is prepared beside the data, which takes {needed_bytes} bytes, and {free_bytes} are free")]
    NoRoom {
        /// What the copy takes, and what is to stay free, in bytes.
        needed_bytes: u64,
        /// What there is, in bytes.
        free_bytes: u64,
    },
    /// It could not be made.
    #[error("the backup could not be made")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Makes backups.
#[async_trait]
pub trait Backups: Send + Sync + 'static {
    /// A backup of this moment: whatever was answered before the call is in it. Nobody who writes waits for it. Giving up the
    /// call ends the work. Called once at a time.
    async fn make(&self) -> Result<Backup, BackupError>;
}
