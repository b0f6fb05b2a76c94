//! What runs amount to: how often each fault struck, each invariant was looked at, and what was found.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Counts of one run, or of many together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: u64,
    /// Of them, those with more than one node.
    pub(crate) rounds_of_several: u64,
    /// Lives of nodes.
    pub(crate) lives: u64,
    pub(crate) addons: u64,
    /// Store calls, provider calls, engine calls.
    pub(crate) steps: u64,
    /// The time that passed inside, in milliseconds.
    pub(crate) simulated_ms: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) checks: BTreeMap<&'static str, u64>,
    /// What users asked for, and whether it was granted.
    pub(crate) wishes: BTreeMap<&'static str, (u64, u64)>,
    /// How addons ended up.
    pub(crate) ends: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.rounds_of_several += other.rounds_of_several;
        self.lives += other.lives;
        self.addons += other.addons;
        self.steps += other.steps;
        self.simulated_ms += other.simulated_ms;
        for (to, from) in [(&mut self.faults, &other.faults), (&mut self.checks, &other.checks)] {
            from.iter().for_each(|(name, count)| *to.entry(name).or_default() += count);
        }
        for (name, (asked, granted)) in &other.wishes {
            let sum = self.wishes.entry(name).or_default();
            *sum = (sum.0 + asked, sum.1 + granted);
        }
        other.ends.iter().for_each(|(name, count)| *self.ends.entry(name.clone()).or_default() += count);
    }

    /// One line that programs can read.
    pub(crate) fn line(&self, seconds: f64, failures: &[u64]) -> Value {
        json!({
            "rounds": self.rounds, "rounds_of_several_nodes": self.rounds_of_several, "seconds": seconds, "lives": self.lives, "addons": self.addons, "steps": self.steps,
            "simulated_hours": self.simulated_ms / 3_600_000, "faults": self.faults, "invariants": self.checks,
            "wishes": self.wishes, "ends": self.ends, "failures": failures.len(), "failed_seeds": failures,
        })
    }
}
