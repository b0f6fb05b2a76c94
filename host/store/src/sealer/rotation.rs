//! The keys' part of a rotation: a new key comes into the file, above those of before; it seals from then on; and those
//! of before leave the file once nothing needs them.
//!
//! The file is always written before its keys are used, so that no value is ever sealed with a key that a crash would lose.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use larder_domain::ports::{SealError, Sealer as _};
use sha2::{Digest as _, Sha256};

use super::keyfile::{KeyError, write};
use super::ring::{Key, Ring};
use super::{KeyfileSealer, NONCE_BYTES, PREFIX_BYTES};

impl KeyfileSealer {
    /// Seals with a new key from now on. What the keys of before have sealed is opened as ever.
    ///
    /// # Errors
    /// The file can't be written; then nothing has changed.
    pub fn add_key(&self, file: &Path) -> Result<(), KeyError> {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let made = loop {
            let made = Key::generate().map_err(|error| KeyError::made(file, error))?;
            // Names are short, and have to tell keys apart.
            if ring.keys().all(|key| key.name() != made.name()) {
                break made;
            }
        };
        let next = Ring::new(made, ring.keys().cloned().collect());
        write(file, &next)?;
        *ring = Arc::new(next);
        Ok(())
    }

    /// Forgets the keys of before, for good. What they have sealed can't be opened any more.
    ///
    /// # Errors
    /// The file can't be written; then nothing has changed.
    pub fn drop_old_keys(&self, file: &Path) -> Result<(), KeyError> {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let next = Ring::new(ring.current.clone(), vec![]);
        write(file, &next)?;
        *ring = Arc::new(next);
        Ok(())
    }

    /// Whether there are keys of before.
    #[must_use]
    pub fn is_rotating(&self) -> bool {
        !self.ring().old.is_empty()
    }

    /// What everything begins with that the keys of before have sealed, for each of them.
    pub(crate) fn old_prefixes(&self) -> Vec<[u8; PREFIX_BYTES]> {
        self.ring().old.iter().map(Key::prefix).collect()
    }

    /// The same value sealed with the present key.
    ///
    /// Values that were copies of one another stay so, since the store compares documents without opening them. So the nonce is made of
    /// what was sealed, which holds a random one: two that differ have different nonces.
    pub(crate) fn reseal(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let plain = self.open(place, sealed)?;
        let digest: [u8; 32] = Sha256::new().chain_update(b"larder reseal\0").chain_update(sealed).finalize().into();
        let nonce: [u8; NONCE_BYTES] = *digest.first_chunk().ok_or(SealError)?;
        self.ring().current.seal(place, &plain, nonce)
    }
}

#[cfg(test)]
mod tests {
    use larder_domain::ports::Sealer as _;

    use super::*;

    #[test]
    fn a_new_key_seals_and_those_of_before_open_until_they_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let sealer = KeyfileSealer::from_file_or_create(&path).unwrap();
        let old = sealer.seal("a", b"old").unwrap();
        let copies = [old.clone(), sealer.seal("a", b"old").unwrap()];
        sealer.add_key(&path).unwrap();
        let names = sealer.key_ids();
        assert!(names.len() == 2 && names[0] != names[1] && sealer.key_id() == names[0] && sealer.is_rotating());
        let new = sealer.seal("a", b"new").unwrap();
        // A process that starts now has them all.
        let again = KeyfileSealer::from_file(&path).unwrap();
        for sealer in [&sealer, &again] {
            assert_eq!(**sealer.open("a", &old).unwrap(), *b"old");
            assert_eq!(**sealer.open("a", &new).unwrap(), *b"new");
        }
        let resealed = sealer.reseal("a", &old).unwrap();
        assert!(old.starts_with(&sealer.old_prefixes()[0]) && !resealed.starts_with(&sealer.old_prefixes()[0]));
        assert_eq!(resealed, again.reseal("a", &copies[0]).unwrap(), "copies stay copies");
        assert_ne!(resealed, sealer.reseal("a", &copies[1]).unwrap(), "and nothing else is seen to be equal");
        assert!(sealer.reseal("b", &old).is_err(), "in its place alone");

        sealer.drop_old_keys(&path).unwrap();
        let again = KeyfileSealer::from_file(&path).unwrap();
        for sealer in [&sealer, &again] {
            assert_eq!(**sealer.open("a", &resealed).unwrap(), *b"old");
            assert!(sealer.open("a", &old).is_err() && !sealer.is_rotating());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_key_that_can_not_be_written_down_seals_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let sealer = KeyfileSealer::from_file_or_create(&path).unwrap();
        let before = sealer.key_ids();
        assert!(sealer.add_key(&dir.path().join("nowhere/key")).is_err());
        assert_eq!(sealer.key_ids(), before);
    }
}
