//! Which generations of an addon's credentials are on its server, so that old ones go on beside the new ones for a while, and are ended
//! later, all of them.
//!
//! The host counts generations: 0 at first, one more with each rotation. What it does not count is the oldest that was not ended
//! yet; that is remembered here. If a rotation fails, the host brings back what was remembered when it began, and the next one
//! has the same number again.

use std::ops::{Range, RangeInclusive};

use larder_sdk::{Addon, Failure, state};

const OLDEST: &str = "oldest_generation";

/// The generations of an addon's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generations {
    oldest: u32,
    newest: u32,
}

impl Generations {
    /// Those that there are, with the one that the call is about.
    ///
    /// # Errors
    /// What is remembered can't be read.
    pub fn of(addon: &Addon) -> Result<Self, Failure> {
        Ok(Self { oldest: state::get_json(OLDEST)?.unwrap_or(0), newest: addon.generation() })
    }

    /// Those whose credentials are to work.
    #[must_use]
    pub const fn living(&self) -> RangeInclusive<u32> {
        self.oldest..=self.newest
    }

    /// Those that `end_rotation` is to end.
    #[must_use]
    pub const fn old(&self) -> Range<u32> {
        self.oldest..self.newest
    }

    /// Those that there may be something of when the addon is deprovisioned: a rotation that did not succeed may have left a
    /// further one.
    #[must_use]
    pub const fn left(&self) -> RangeInclusive<u32> {
        self.oldest..=self.newest.saturating_add(1)
    }

    /// Remembers that the old ones were ended.
    ///
    /// # Errors
    /// It can't be remembered.
    pub fn ended(&self) -> Result<(), Failure> {
        Ok(state::set_json(OLDEST, &self.newest)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_ones_work_beside_the_new_ones_until_they_are_ended() {
        let in_overlap = Generations { oldest: 3, newest: 4 };
        assert_eq!((in_overlap.living(), in_overlap.old(), in_overlap.left()), (3..=4, 3..4, 3..=5));
        let at_rest = Generations { oldest: 4, newest: 4 };
        assert_eq!((at_rest.living(), at_rest.old().count()), (4..=4, 0));
    }
}
