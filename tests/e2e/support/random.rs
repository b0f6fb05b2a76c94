//! Chance that comes again: everything that one seed decides.

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::{BuildHasher as _, Hasher as _};

/// SplitMix64.
pub(crate) struct Random {
    state: u64,
    seed: u64,
}

impl Random {
    /// From `LARDER_SEED`, or else another one each time.
    pub(crate) fn from_environment() -> Self {
        let told = env::var("LARDER_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = told.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        Self { state: seed, seed }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Another one that this one decides.
    pub(crate) fn fork(&mut self) -> Self {
        Self { state: self.next(), seed: self.seed }
    }

    /// Whether one chance of so many came.
    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// So many letters and digits.
    pub(crate) fn word(&mut self, length: usize) -> String {
        const ALL: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|_| char::from(self.one_of(ALL))).collect()
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// One of them.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        (1..all.len()).rev().for_each(|last| all.swap(last, self.below(last + 1)));
    }
}
