//! What a provider keeps for an addon.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A provider's state for one addon: bytes by their keys. What is in them is the provider's to know, and passwords often are. They are
/// wiped when they are dropped, and printed as dots.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct GuestState(BTreeMap<String, Zeroizing<Vec<u8>>>);

impl GuestState {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// What is kept under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(|value| value.as_slice())
    }

    /// Keeps bytes under a key. What was there is wiped.
    pub fn insert(&mut self, key: String, value: Vec<u8>) {
        self.0.insert(key, Zeroizing::new(value));
    }

    /// Keeps nothing under a key any more. How many bytes there were.
    pub fn remove(&mut self, key: &str) -> Option<usize> {
        self.0.remove(key).map(|value| value.len())
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Keys and bytes, in order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &[u8])> {
        self.0.iter().map(|(key, value)| (key, value.as_slice()))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<const COUNT: usize> From<[(String, Vec<u8>); COUNT]> for GuestState {
    fn from(entries: [(String, Vec<u8>); COUNT]) -> Self {
        entries.into_iter().collect()
    }
}

impl FromIterator<(String, Vec<u8>)> for GuestState {
    fn from_iter<T: IntoIterator<Item = (String, Vec<u8>)>>(entries: T) -> Self {
        Self(entries.into_iter().map(|(key, value)| (key, Zeroizing::new(value))).collect())
    }
}

impl fmt::Debug for GuestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestState(…)")
    }
}

impl Zeroize for GuestState {
    fn zeroize(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
        self.0.clear();
    }
}

/// Each value wipes itself.
impl ZeroizeOnDrop for GuestState {}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_wiped_when_dropped<T: ZeroizeOnDrop>() {}

    #[test]
    fn a_state_tells_nothing() {
        is_wiped_when_dropped::<GuestState>();
        is_wiped_when_dropped::<Zeroizing<Vec<u8>>>();
        let mut state = GuestState::from([("key".into(), b"word".to_vec())]);
        state.insert("other".into(), b"word".to_vec());
        assert_eq!(format!("{state:?}"), "GuestState(…)");
        assert_eq!((state.remove("other"), state.remove("other")), (Some(4), None));
        assert_eq!(state.get("key"), Some(&b"word"[..]));
        state.zeroize();
        assert!(state.is_empty());
    }
}
