//! How a backup looks: its beginning, its header, its end.

use serde::{Deserialize, Serialize};

/// What every backup begins with, whatever its format.
pub(super) const MAGIC: &[u8] = b"larder backup\n";
/// The format that is written, and the newest that is read.
pub(super) const FORMAT: u8 = 1;
/// What stands before the header: magic, format, length.
pub(super) const LEAD_BYTES: usize = MAGIC.len() + 1 + 4;
/// The longest header.
pub(super) const HEADER_BYTES_MAX: usize = 64 * 1024;
/// The longest part but the database.
pub(super) const SMALL_PART_BYTES_MAX: u64 = 1024 * 1024;
/// The bytes of the sum.
pub(super) const SUM_BYTES: usize = 32;
/// The bytes of the sealed sum: format, key id, nonce, sum, tag.
pub(super) const SEALED_SUM_BYTES: usize = 1 + 4 + 24 + SUM_BYTES + 16;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Of which moment it is.
    pub(crate) made_at: String,
    /// The version of Larder that made it.
    pub(crate) larder: String,
    /// Of which installation it is.
    pub(crate) installation: String,
    /// The schema of its database.
    pub(crate) schema: usize,
    /// The names of the keys without which it can't be used.
    pub(crate) keys: Vec<String>,
    /// What is in it, in this order.
    pub(crate) parts: Vec<Part>,
}

/// A file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

impl Header {
    /// What stands before the first part.
    pub(super) fn written(&self) -> serde_json::Result<Vec<u8>> {
        let json = serde_json::to_vec(self)?;
        let length = u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes();
        Ok([MAGIC, &[FORMAT], &length, &json].concat())
    }

    /// How long a backup with this header, of which so many bytes are written, is in bytes.
    pub(super) fn whole_bytes(&self, written_bytes: usize) -> u64 {
        let parts: u64 = self.parts.iter().map(|part| part.bytes).sum();
        (written_bytes + SUM_BYTES + SEALED_SUM_BYTES) as u64 + parts
    }
}
