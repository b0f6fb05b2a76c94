//! The keys' part of a rotation: a new key comes into the file, above those of before; it seals from then on; and those
//! of before leave the file once nothing needs them.
//!
//! The file is always written before its keys are used, so that no value is ever sealed with a key that a crash would lose.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use larder_domain::ports::{SealError, Sealer as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::keyfile::{KeyError, write};
use super::ring::{Key, Ring};
use super::{KEY_BYTES, KeyfileSealer, NONCE_BYTES, PREFIX_BYTES};
use crate::places;

/// A key for those who have the one that it is sealed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) name: String,
    pub(crate) sealed: Vec<u8>,
}

/// A key that is offered was not learned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LearnError {
    /// It is sealed with a key that is not here, or was changed.
    #[error("none of the keys here opens it")]
    Unknown,
    /// It can't be written down.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl KeyfileSealer {
    /// Seals with a new key from now on. What the keys of before have sealed is opened as ever.
    ///
    /// # Errors
    /// The file can't be written; then nothing has changed.
    pub fn add_key(&self) -> Result<(), KeyError> {
        let add = |ring: &Ring| Ok(Some(Ring::new(self.generated(ring)?, ring.keys().cloned().collect())));
        self.change::<KeyError>(add).map(drop)
    }

    /// Forgets the keys before this one, for good: what they have sealed can't be opened any more. Whether there were any. If another one
    /// seals by now, the next rotation has begun, which needs them, and none is forgotten.
    ///
    /// # Errors
    /// The file can't be written; then nothing has changed.
    pub fn drop_old_keys(&self, of: &str) -> Result<bool, KeyError> {
        let is_over = |ring: &Ring| ring.current.name() == of && !ring.old.is_empty();
        self.change::<KeyError>(|ring| Ok(is_over(ring).then(|| Ring::new(ring.current.clone(), vec![]))))
    }

    /// Writes the same keys down again: whether another one could be.
    pub(crate) fn write_again(&self) -> Result<(), KeyError> {
        self.change::<KeyError>(|ring| Ok(Some(Ring::new(ring.current.clone(), ring.old.clone())))).map(drop)
    }

    /// A new key, for all who have the present one. It is not used here before it is learned, as by all others. While there is one of before,
    /// the present one is the new one.
    pub(crate) fn offer(&self) -> Result<Offer, SealError> {
        let ring = self.ring();
        let (new, by) = match ring.old.first() {
            Some(old) => (ring.current.clone(), old),
            None => (self.generated(&ring).map_err(|_| SealError)?, &ring.current),
        };
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError)?;
        Ok(Offer { name: new.name(), sealed: by.seal(&places::key(&new.name()), &*new.bytes, nonce)? })
    }

    /// Seals with a key that was offered from now on. Whether it did not before.
    pub(crate) fn learn(&self, offer: &Offer) -> Result<bool, LearnError> {
        self.change(|ring| {
            if ring.current.name() == offer.name {
                return Ok(None);
            }
            let by = ring.key_of(&offer.sealed).ok_or(LearnError::Unknown)?;
            let opened = by.open(&places::key(&offer.name), &offer.sealed).map_err(|_| LearnError::Unknown)?;
            let mut bytes = Zeroizing::new([0; KEY_BYTES]);
            if opened.len() != KEY_BYTES {
                return Err(LearnError::Unknown);
            }
            bytes.copy_from_slice(&opened);
            let new = Key::new(bytes);
            if new.name() != offer.name {
                return Err(LearnError::Unknown);
            }
            let old = ring.keys().filter(|key| key.name() != offer.name).cloned().collect();
            Ok(Some(Ring::new(new, old)))
        })
    }

    /// Puts other keys in the place of those that there are: first in the file, so that a crash loses none that was used.
    fn change<E: From<KeyError>>(&self, next: impl FnOnce(&Ring) -> Result<Option<Ring>, E>) -> Result<bool, E> {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = next(&ring)? else { return Ok(false) };
        if let Some(file) = &self.file {
            write(file, &next)?;
        }
        *ring = Arc::new(next);
        Ok(true)
    }

    fn generated(&self, ring: &Ring) -> Result<Key, KeyError> {
        loop {
            let file = self.file.as_deref().unwrap_or(Path::new(""));
            let made = Key::generate().map_err(|error| KeyError::made(file, error))?;
            // Names are short, and have to tell keys apart.
            if ring.keys().all(|key| key.name() != made.name()) {
                return Ok(made);
            }
        }
    }

    /// Whether there are keys of before.
    #[must_use]
    pub fn is_rotating(&self) -> bool {
        !self.ring().old.is_empty()
    }

    /// What everything begins with that is sealed from now on.
    pub(crate) fn prefix(&self) -> [u8; PREFIX_BYTES] {
        self.ring().current.prefix()
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
        sealer.add_key().unwrap();
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

        assert!(!sealer.drop_old_keys(&names[1]).unwrap(), "another rotation has begun since that one ended");
        assert_eq!(
            (sealer.key_ids(), KeyfileSealer::from_file(&path).unwrap().key_ids()),
            (names.clone(), names.clone())
        );
        assert!(sealer.drop_old_keys(&names[0]).unwrap() && !sealer.drop_old_keys(&names[0]).unwrap());
        let again = KeyfileSealer::from_file(&path).unwrap();
        for sealer in [&sealer, &again] {
            assert_eq!(**sealer.open("a", &resealed).unwrap(), *b"old");
            assert!(sealer.open("a", &old).is_err() && !sealer.is_rotating());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_key_that_can_not_be_written_down_seals_nothing() {
        let (dir, other) = (tempfile::tempdir().unwrap(), KeyfileSealer::from_key(&[7; KEY_BYTES]));
        let path = dir.path().join("there/key");
        std::fs::create_dir(dir.path().join("there")).unwrap();
        std::fs::write(&path, "07".repeat(KEY_BYTES)).unwrap();
        let sealer = KeyfileSealer::from_file(&path).unwrap();
        let before = sealer.key_ids();
        assert_eq!(before, other.key_ids());
        std::fs::remove_dir_all(dir.path().join("there")).unwrap();
        assert!(sealer.add_key().is_err() && sealer.write_again().is_err());
        assert!(matches!(sealer.learn(&other.offer().unwrap()), Err(LearnError::Key(_))));
        assert_eq!(sealer.key_ids(), before);
    }

    #[test]
    fn a_key_is_learned_by_all_who_have_the_one_of_before_and_by_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["a", "b"].map(|name| dir.path().join(name));
        let a = KeyfileSealer::from_file_or_create(&files[0]).unwrap();
        std::fs::copy(&files[0], &files[1]).unwrap();
        let b = KeyfileSealer::from_file(&files[1]).unwrap();
        let old = a.key_id();
        let offer = a.offer().unwrap();
        assert_eq!((a.key_id(), crate::sealer::sealed_by(&offer.sealed)), (old.clone(), Some(old.clone())));
        for sealer in [&a, &b] {
            assert!(sealer.learn(&offer).unwrap());
            assert!(!sealer.learn(&offer).unwrap(), "once is enough");
            assert_eq!(sealer.key_ids(), [offer.name.clone(), old.clone()]);
        }
        assert_eq!(
            **KeyfileSealer::from_file(&files[1]).unwrap().open("x", &a.seal("x", b"x").unwrap()).unwrap(),
            *b"x"
        );
        // While there are two, the new one is offered again.
        let again = a.offer().unwrap();
        assert_eq!((&again.name, crate::sealer::sealed_by(&again.sealed)), (&offer.name, Some(old)));

        let stranger = KeyfileSealer::from_key(&[9; KEY_BYTES]);
        let renamed = Offer { name: "00000000".to_owned(), ..offer.clone() };
        assert!(matches!(stranger.learn(&offer), Err(LearnError::Unknown)));
        assert!(matches!(b.learn(&renamed), Err(LearnError::Unknown)), "a name is its key's alone");
        assert_eq!((stranger.key_ids().len(), b.key_id()), (1, offer.name));
    }
}
