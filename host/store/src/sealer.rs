//! Encryption at rest with a key from a file: XChaCha20-Poly1305, a random nonce for every value, and the value's place as
//! associated data.
//!
//! A sealed value is `format (1) ‖ key id (4) ‖ nonce (24) ‖ ciphertext ‖ tag (16)`. The nonce is long enough to be drawn at
//! random for ever. The key id tells a wrong key from a changed value, and will let several keys stand side by side.

mod keyfile;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use larder_domain::ports::{SealError, Sealer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub use keyfile::KeyError;

/// The bytes of a key.
const KEY_BYTES: usize = 32;
const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;

/// Seals with one key, which stands in a file that only its owner can read.
pub struct KeyfileSealer {
    cipher: XChaCha20Poly1305,
    key_id: [u8; KEY_ID_BYTES],
}

impl KeyfileSealer {
    /// Seals with this key. The cipher's own copy is wiped when it is dropped.
    #[must_use]
    pub fn from_key(key: &[u8; KEY_BYTES]) -> Self {
        let cipher = XChaCha20Poly1305::new(key.into());
        let key_id = key_id(&cipher);
        Self { cipher, key_id }
    }

    /// A key for another purpose, which tells nothing about this one and is always the same: what the cipher's stream has at
    /// a nonce of that purpose's own.
    ///
    /// # Errors
    /// The cipher failed.
    pub fn derived_key(&self, purpose: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
        let digest: [u8; 32] = Sha256::digest([b"larder derived key\0", purpose.as_bytes()].concat()).into();
        let nonce: [u8; NONCE_BYTES] = *digest.first_chunk().ok_or(SealError)?;
        let stream =
            Zeroizing::new(self.cipher.encrypt(&XNonce::from(nonce), &[0; KEY_BYTES][..]).map_err(|_| SealError)?);
        Ok(Zeroizing::new(*stream.first_chunk().ok_or(SealError)?))
    }
}

/// Names a key without telling anything about it: the beginning of what it makes of a fixed text. The zero nonce is
/// used for this alone.
fn key_id(cipher: &XChaCha20Poly1305) -> [u8; KEY_ID_BYTES] {
    let nothing = Payload { msg: &[], aad: b"larder key id" };
    let tag = cipher.encrypt(&XNonce::from([0; NONCE_BYTES]), nothing).unwrap_or_default();
    tag.first_chunk().copied().unwrap_or_default()
}

impl Sealer for KeyfileSealer {
    fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError)?;
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let ciphertext = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError)?;
        Ok([&[FORMAT], &self.key_id[..], &nonce, &ciphertext].concat())
    }

    fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&format, rest) = sealed.split_first().ok_or(SealError)?;
        let (key_id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(SealError)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError)?;
        if format != FORMAT || *key_id != self.key_id {
            return Err(SealError);
        }
        let payload = Payload { msg: ciphertext, aad: place.as_bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| SealError)
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
