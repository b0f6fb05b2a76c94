//! The key that seals what must not be readable at rest, and its rotation.

use async_trait::async_trait;

use super::StoreError;

/// How keys stand. Names of keys tell nothing about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyState {
    /// What everything is sealed with from now on.
    pub key: String,
    /// What some of it may still be sealed with. None unless a rotation is under way, or was broken off.
    pub old: Vec<String>,
    /// Whether something is being done about them now.
    pub is_under_way: bool,
    /// How many values were sealed anew since the rotation began, or went on.
    pub resealed: u64,
    /// How many there were to be sealed anew then.
    pub of: u64,
    /// Why it does not go on, or what it waits for.
    pub trouble: Option<String>,
    /// Whether what the keys of before have sealed may still stand where nothing reads it, until the next start.
    pub has_remnants: bool,
}

/// The keys can't be changed, or it can't be said how they stand.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Something that a person can mend is in the way.
    #[error("{0}")]
    Refused(String),
    /// It failed.
    #[error("the key could not be rotated")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Keeps the keys.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// How they stand.
    async fn state(&self) -> Result<KeyState, KeysError>;

    /// Begins to rotate: answers when the new key is there and seals. The rest goes on by itself. One that is under way, or was broken off, goes
    /// on in its place.
    async fn rotate(&self) -> Result<KeyState, KeysError>;
}
