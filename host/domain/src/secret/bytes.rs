//! Bytes that must not be seen.

use std::fmt;
use std::mem;
use std::ops::Deref;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes in which there may be a secret, as in what a command reads and says: wiped when dropped, and printed as dots.
#[derive(Clone, PartialEq, Eq, Default, Zeroize, ZeroizeOnDrop)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Keeps so many of them. The others are wiped.
    pub fn truncate(&mut self, bytes_max: usize) {
        if let Some(rest) = self.0.get_mut(bytes_max..) {
            rest.zeroize();
            self.0.truncate(bytes_max);
        }
    }

    /// Hands them on to somebody who takes care of them.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<u8> {
        mem::take(&mut self.0)
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for SecretBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(…)")
    }
}
