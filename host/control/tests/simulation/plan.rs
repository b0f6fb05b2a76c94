//! How a run is set up: what is decided once by its seed.

use std::time::Duration;

use crate::chance::Chance;

/// A run's settings.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// How many wishes users have.
    pub(crate) wishes: u64,
    /// The longest pause between two of them, in milliseconds.
    pub(crate) pause_ms_max: u64,
    /// How often a node starts at most.
    pub(crate) lives_max: u64,
    /// How long deleted addons can be had back.
    pub(crate) grace: Duration,
    /// The longest sleep of a worker.
    pub(crate) look_every: Duration,
    /// Whether the host is started anew when nothing goes wrong any more.
    pub(crate) calm_restart: bool,
    /// Whether variables are pushed to the apps' platform. Otherwise nobody but the store has them.
    pub(crate) tells_platform: bool,
    /// How many nodes there are.
    pub(crate) nodes: usize,
}

impl Plan {
    pub(crate) fn of(chance: &mut Chance) -> Self {
        Self {
            wishes: chance.within(4..=24),
            pause_ms_max: chance.pick(&[50, 500, 4_000, 20_000]),
            lives_max: chance.within(1..=9),
            grace: Duration::from_secs(chance.pick(&[0, 0, 20, 120])),
            look_every: Duration::from_secs(chance.pick(&[1, 5, 10, 15])),
            calm_restart: chance.hits(3_000),
            tells_platform: chance.hits(6_000),
            nodes: chance.pick(&[1, 1, 1, 2, 3]),
        }
    }
}
