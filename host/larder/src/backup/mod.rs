//! A backup: one file with everything that an installation is made of, but for the key.
//!
//! ```text
//! "larder backup\n" ‖ format (1 byte) ‖ length of the header (4 bytes, little endian) ‖ header (JSON)
//! ‖ the parts, one after the other, as long as the header says
//! ‖ SHA-256 of all that (32 bytes) ‖ the same, sealed
//! ```
//!
//! Whoever has the file sees by the sum whether it is whole, without any key. What is sealed in its database stays so, the
//! administrator's token is sealed as well, and the sealed sum tells whoever has the key that the file is the work of somebody who
//! had it too: a checksum can be made anew by whoever changes a file. The key is not in it. A backup beside which
//! its key lies would be as good as one in the clear, and backups go to many places.

pub(crate) mod restore;

mod format;
mod parser;
mod source;

#[cfg(test)]
mod tests;

pub(crate) use format::Header;
pub(crate) use parser::{Broken, Parser};
pub(crate) use source::DataSource;

/// The parts that there can be.
const DATABASE: &str = "larder.db";
const TOKEN: &str = "admin.token";
const SHIPPED: &str = "shipped-providers";

/// The place for which the administrator's token is sealed.
const TOKEN_PLACE: &str = "backup/admin.token";
/// The place for which the sum is sealed.
const SUM_PLACE: &str = "backup/sum";
