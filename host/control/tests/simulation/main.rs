//! The control loop under a simulator: the real use cases, worker, state machine and store, in memory and in a time of their own, over
//! providers, engines, platforms and stores that fail in every way that one seed decides. It is killed at its awaits and its writes, again
//! and again, and started anew on what it left. After every step the invariants are looked at, and when nothing goes wrong any more,
//! everything has to come to rest.
//!
//! `LARDER_SEED` has everything happen again that a failure has named, and shows it. `LARDER_SIMULATION_ROUNDS` and
//! `LARDER_SIMULATION_MINUTES` make it longer; at the end, one line of JSON says what it amounted to.

#![expect(clippy::unwrap_used, reason = "a test fails loudly, and so do its helpers")]

mod chance;
mod chaos;
mod engine;
mod faults;
mod guest;
mod invariants;
mod life;
mod many;
mod plan;
mod plants;
mod rest;
mod run;
mod seat;
mod seen;
mod sink;
mod store;
mod tally;
mod trace;
mod users;
mod world;

use chance::Chance;
use many::Many;
use plants::Plant;
use run::run;

#[test]
fn addons_come_through_whatever_goes_wrong() {
    if let Some(seed) = many::told_seed() {
        let ran = run(seed, None, true);
        ran.lines.iter().for_each(|line| eprintln!("{line}"));
        assert!(ran.violations.is_empty(), "{:#?}", ran.violations);
        return;
    }
    let many = Many::from_environment();
    let (tally, failures) = many.run();
    eprintln!(
        "simulation: {}",
        tally.line(many.seconds(), &failures.iter().map(|(seed, _)| *seed).collect::<Vec<_>>())
    );
    for (seed, why) in failures.iter().take(10) {
        eprintln!("LARDER_SEED={seed} has this happen again: {why:?}");
    }
    assert!(failures.is_empty(), "{} of {} rounds failed", failures.len(), tally.rounds);
}

#[test]
fn a_seed_decides_everything() {
    let mut chance = Chance::new(7);
    for seed in (0..6).map(|_| chance.next()) {
        let (first, second) = (run(seed, None, true), run(seed, None, true));
        let differs = first.lines.iter().zip(&second.lines).position(|(first, second)| first != second);
        let at = differs.map(|at| (&first.lines[at.saturating_sub(5)..=at], &second.lines[at]));
        assert!(first.hash == second.hash, "the seed {seed} went two ways: {at:#?}");
    }
}

/// A checker that can't fail proves nothing.
#[test]
fn planted_bugs_are_found() {
    for (plant, invariants, rounds_max) in Plant::ALL {
        let found = (0..*rounds_max).find_map(|seed| {
            let ran = run(seed, Some(*plant), false);
            ran.violations.first().map(|violation| (seed, violation.clone()))
        });
        let (seed, violation) = found.unwrap_or_else(|| panic!("{plant:?} was not found in {rounds_max} rounds"));
        eprintln!("{plant:?} found in round {seed}: {violation}");
        let is_it = invariants.iter().any(|invariant| violation.starts_with(invariant));
        assert!(is_it, "{plant:?} was found as something else: {violation}");
    }
}
