//! Lists that come in pages: each tells from where the next one goes on.

use std::fmt;

use serde::Deserialize;

/// How many entries a page has, unless told otherwise.
const PAGE_ENTRIES: usize = 100;
/// How many it can have.
const PAGE_ENTRIES_MAX: usize = 1000;

/// How many entries the client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "usize")]
pub(crate) struct Limit(usize);

impl Default for Limit {
    fn default() -> Self {
        Self(PAGE_ENTRIES)
    }
}

/// A number of entries that no page can have.
pub(crate) struct BadLimit(usize);

impl fmt::Display for BadLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit is {}; use 1 to {PAGE_ENTRIES_MAX}", self.0)
    }
}

impl TryFrom<usize> for Limit {
    type Error = BadLimit;

    fn try_from(entries: usize) -> Result<Self, BadLimit> {
        if (1..=PAGE_ENTRIES_MAX).contains(&entries) { Ok(Self(entries)) } else { Err(BadLimit(entries)) }
    }
}

impl Limit {
    /// How many entries to ask for: one more than the page has, to know whether anything comes after it.
    pub(crate) const fn to_read(self) -> usize {
        self.0 + 1
    }

    /// Cuts what was read to the page; after which entry the next one begins, if there is a next one.
    pub(crate) fn cut<T, K>(self, entries: &mut Vec<T>, key: impl FnOnce(&T) -> K) -> Option<K> {
        if entries.len() <= self.0 {
            return None;
        }
        entries.truncate(self.0);
        entries.last().map(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_next_page_only_if_something_is_on_it() {
        let cut = |mut entries: Vec<u64>| (Limit(2).cut(&mut entries, |id| *id), entries);
        assert_eq!(cut(vec![]), (None, vec![]));
        assert_eq!(cut(vec![1, 2]), (None, vec![1, 2]));
        assert_eq!(cut(vec![1, 2, 3]), (Some(2), vec![1, 2]));
    }

    #[test]
    fn a_page_has_a_bounded_number_of_entries() {
        for (entries, valid) in [(0, false), (1, true), (1000, true), (1001, false)] {
            assert_eq!(Limit::try_from(entries).is_ok(), valid);
        }
    }
}
