//! The state machine and the leases under it, looked at exhaustively: every order in which up to three nodes, that may be cut off or die at
//! any moment, can drive addons while users wish for things. The state machine is the real one; the leases are a model of what stores
//! promise (`host/store`, `work/plan.rs`), as small as it can be. What holds here holds of every number of addons that have nothing to do
//! with each other: the second one is a part of the first.

#![expect(clippy::unwrap_used, reason = "a test fails loudly, and so do its helpers")]

mod events;
mod machine;
mod model;
mod search;

use std::time::Instant;

use model::{Flaw, Model};
use search::search;

#[test]
fn one_addon_on_three_nodes() {
    look_at("one addon, three nodes", &Model::new(3, 1, 2, None));
}

#[test]
fn an_addon_and_its_part_on_three_nodes() {
    look_at("two addons, three nodes", &Model::new(3, 2, 1, None));
}

fn look_at(what: &str, model: &Model) {
    let began = Instant::now();
    let found = search(model);
    eprintln!("{what}: {found}");
    eprintln!("protocol: {}", found.line(began.elapsed().as_secs_f64()));
    assert_eq!(found.violation, None);
}

/// A checker that can't fail proves nothing.
#[test]
fn what_each_rule_is_for() {
    for (flaw, meant) in [
        (Flaw::NoFence, "a late write"),
        (Flaw::NoStop, "calls overlap"),
        (Flaw::WishEndsLease, "calls overlap"),
        (Flaw::GoesOn, "calls overlap"),
        (Flaw::LeaseForgets, "nobody drives"),
        (Flaw::NeverExpires, "no way to rest"),
    ] {
        let found = search(&Model::new(2, 1, 2, Some(flaw)));
        let violation = found.violation.unwrap_or_else(|| panic!("{flaw:?} was not found"));
        eprintln!("{flaw:?}: {violation}");
        assert!(violation.contains(meant), "{flaw:?} was found as something else: {violation}");
    }
}
