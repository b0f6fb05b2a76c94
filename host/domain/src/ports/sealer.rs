//! Encryption of what must not be readable at rest.

/// A sealed value can't be opened: it was changed, moved to another row, or sealed with another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value can't be opened with this key: start with the key file that belongs to this data directory")]
pub struct SealError;

/// Authenticated encryption with a nonce of its own for every value.
pub trait Sealer: Send + Sync + 'static {
    /// Seals `plain` for the place named by `place` (table, column and row), where alone it can be opened again.
    ///
    /// # Errors
    /// The system has no randomness to give.
    fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// It was not sealed for this place with this key, or it was changed.
    fn open(&self, place: &str, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, SealError>;
}
