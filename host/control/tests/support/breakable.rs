//! Values in the store that can't be read any more, one by one.

use std::sync::Mutex;

use larder_domain::ports::{SealError, Sealer};
use larder_store::KeyfileSealer;
use zeroize::Zeroizing;

/// A sealer that does not open what a test has broken.
pub(crate) struct Breakable {
    sealer: KeyfileSealer,
    broken: Mutex<Vec<String>>,
}

impl Breakable {
    pub(super) fn new(sealer: KeyfileSealer) -> Self {
        Self { sealer, broken: Mutex::default() }
    }

    /// Nothing is opened any more of the places that begin so.
    pub(crate) fn break_all(&self, places: &str) {
        self.broken.lock().unwrap().push(places.to_owned());
    }
}

impl Sealer for Breakable {
    fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.sealer.seal(place, plain)
    }

    fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        match self.broken.lock().unwrap().iter().any(|broken| place.starts_with(broken)) {
            true => Err(SealError),
            false => self.sealer.open(place, sealed),
        }
    }
}
