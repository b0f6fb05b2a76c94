//! Keys as they are used: one that seals, and those of before, which only open.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use larder_domain::ports::SealError;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{FORMAT, KEY_BYTES, KEY_ID_BYTES, NONCE_BYTES, PREFIX_BYTES, SEALED_BYTES_MIN};

/// All keys of a file, in its order.
pub(super) struct Ring {
    pub(super) current: Key,
    pub(super) old: Vec<Key>,
}

impl Ring {
    pub(super) fn new(current: Key, old: Vec<Key>) -> Self {
        Self { current, old }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.old)
    }

    /// The one that has sealed this, as it says itself.
    pub(super) fn key_of(&self, sealed: &[u8]) -> Option<&Key> {
        self.keys().find(|key| sealed.starts_with(&key.prefix()))
    }
}

/// A key with its cipher and its name. Both copies of the key are wiped when it is dropped.
#[derive(Clone)]
pub(super) struct Key {
    /// As it stands in the file, which is written anew by a rotation.
    pub(super) bytes: Zeroizing<[u8; KEY_BYTES]>,
    cipher: XChaCha20Poly1305,
    id: [u8; KEY_ID_BYTES],
}

impl Key {
    pub(super) fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let cipher = XChaCha20Poly1305::new((&*bytes).into());
        let id = id(&cipher);
        Self { bytes, cipher, id }
    }

    /// A new one.
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self::new(bytes))
    }

    pub(super) fn name(&self) -> String {
        name(&self.id)
    }

    /// What everything begins with that it has sealed.
    pub(super) fn prefix(&self) -> [u8; PREFIX_BYTES] {
        let [a, b, c, d] = self.id;
        [FORMAT, a, b, c, d]
    }

    pub(super) fn seal(&self, place: &str, plain: &[u8], nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>, SealError> {
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let ciphertext = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError)?;
        Ok([&self.prefix()[..], &nonce, &ciphertext].concat())
    }

    pub(super) fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let rest = sealed.strip_prefix(&self.prefix()).ok_or(SealError)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError)?;
        let payload = Payload { msg: ciphertext, aad: place.as_bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| SealError)
    }

    pub(super) fn derived(&self, purpose: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
        let digest: [u8; 32] = Sha256::digest([b"larder derived key\0", purpose.as_bytes()].concat()).into();
        let nonce: [u8; NONCE_BYTES] = *digest.first_chunk().ok_or(SealError)?;
        let stream =
            Zeroizing::new(self.cipher.encrypt(&XNonce::from(nonce), &[0; KEY_BYTES][..]).map_err(|_| SealError)?);
        Ok(Zeroizing::new(*stream.first_chunk().ok_or(SealError)?))
    }
}

fn name(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names the key that has sealed this, as it says itself.
pub(crate) fn sealed_by(sealed: &[u8]) -> Option<String> {
    (sealed.len() >= SEALED_BYTES_MIN).then(|| name(&sealed[1..PREFIX_BYTES]))
}

/// What everything begins with that the key of this name seals; none if it is no key's name.
pub(crate) fn prefix_of(name: &str) -> Option<[u8; PREFIX_BYTES]> {
    let id = u32::from_str_radix(name, 16).ok().filter(|_| name.len() == 2 * KEY_ID_BYTES)?;
    let [a, b, c, d] = id.to_be_bytes();
    Some([FORMAT, a, b, c, d])
}

/// Names a key without telling anything about it: the beginning of what it makes of a fixed text. The zero nonce is
/// used for this alone.
fn id(cipher: &XChaCha20Poly1305) -> [u8; KEY_ID_BYTES] {
    let nothing = Payload { msg: &[], aad: b"larder key id" };
    let tag = cipher.encrypt(&XNonce::from([0; NONCE_BYTES]), nothing).unwrap_or_default();
    tag.first_chunk().copied().unwrap_or_default()
}
