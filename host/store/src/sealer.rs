//! Encryption at rest with a key from a file: XChaCha20-Poly1305, a random nonce for every value, and the value's place as
//! associated data.
//!
//! A sealed value is `format (1) ‖ key id (4) ‖ nonce (24) ‖ ciphertext ‖ tag (16)`. The nonce is long enough to be drawn at
//! random for ever. The key id tells a wrong key from a changed value, and lets several keys stand side by side: the first one
//! seals, and the others open what is still sealed with them, while a rotation is under way ([`rotation`]).

mod keyfile;
mod ring;
mod rotation;
mod source;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use larder_domain::ports::{SealError, Sealer};
use zeroize::Zeroizing;

pub use keyfile::KeyError;
use ring::{Key, Ring};
pub(crate) use ring::{prefix_of, sealed_by};
pub(crate) use rotation::{LearnError, Offer};
use source::Asking;
pub(crate) use source::KeySource;

/// The bytes of a key.
const KEY_BYTES: usize = 32;
const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// What every value sealed with one key begins with: format and key id.
pub(crate) const PREFIX_BYTES: usize = 1 + KEY_ID_BYTES;
/// The shortest sealed value.
pub(crate) const SEALED_BYTES_MIN: usize = PREFIX_BYTES + NONCE_BYTES + TAG_BYTES;

/// Seals with one key, which stands in a file that only its owner can read.
pub struct KeyfileSealer {
    /// Changed by a rotation alone.
    ring: RwLock<Arc<Ring>>,
    /// Where the keys stand; none if they are in memory only.
    file: Option<PathBuf>,
    /// Where a key is asked for that is not among them.
    asking: Asking,
}

impl KeyfileSealer {
    /// Seals with this key. The cipher's own copy is wiped when it is dropped.
    #[must_use]
    pub fn from_key(key: &[u8; KEY_BYTES]) -> Self {
        Self::of(Arc::new(Ring::new(Key::new(Zeroizing::new(*key)), vec![])), None)
    }

    fn of(ring: Arc<Ring>, file: Option<PathBuf>) -> Self {
        Self { ring: RwLock::new(ring), file, asking: Asking::default() }
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same with the keys that it has now, whatever becomes of them.
    #[must_use]
    pub fn as_it_is(&self) -> Self {
        Self::of(self.ring(), None)
    }

    /// Names the key that it seals with, and tells nothing about it.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.ring().current.name()
    }

    /// Names the keys that it opens with: the one that it seals with, and then those of before.
    #[must_use]
    pub fn key_ids(&self) -> Vec<String> {
        self.ring().keys().map(Key::name).collect()
    }

    /// A key for another purpose, which tells nothing about this one and is the same for as long as that is: what the cipher's
    /// stream has at a nonce of that purpose's own.
    ///
    /// # Errors
    /// The cipher failed.
    pub fn derived_key(&self, purpose: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
        self.ring().current.derived(purpose)
    }
}

impl Sealer for KeyfileSealer {
    fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError)?;
        self.ring().current.seal(place, plain, nonce)
    }

    fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if let Some(key) = self.ring().key_of(sealed) {
            return key.open(place, sealed);
        }
        // Another node may have begun to rotate.
        self.ask_for_key_of(sealed).and_then(|ring| ring.key_of(sealed)?.open(place, sealed).ok()).ok_or(SealError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_only_unchanged_in_its_place_with_its_key() {
        let sealer = KeyfileSealer::from_key(&[7; KEY_BYTES]);
        let sealed = sealer.seal("a/1", b"secret").unwrap();
        assert_eq!(**sealer.open("a/1", &sealed).unwrap(), *b"secret");
        assert!(sealer.open("a/2", &sealed).is_err());
        assert!(KeyfileSealer::from_key(&[8; KEY_BYTES]).open("a/1", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open("a/1", &changed).is_err(), "byte {at} was changed");
            assert!(sealer.open("a/1", &sealed[..at]).is_err(), "cut after {at} bytes");
        }
    }

    #[test]
    fn equal_values_are_not_seen_to_be_equal() {
        let sealer = KeyfileSealer::from_key(&[7; KEY_BYTES]);
        assert_ne!(sealer.seal("a", b"secret").unwrap(), sealer.seal("a", b"secret").unwrap());
    }
}
