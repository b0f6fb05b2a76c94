//! Every state that can be reached, breadth first; and whether there is a way from each to rest.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::{Value, json};

use crate::model::{Model, State};

/// States that are looked at; more are a model that is too big.
const STATES_MAX: usize = 400_000;

/// What was found.
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) violation: Option<String>,
}

impl Found {
    /// One line that programs can read: what was looked at in each state, or at each step.
    pub(crate) fn line(&self, seconds: f64) -> Value {
        let of_states = Model::RULES.iter().chain(&["there_is_a_way_to_rest"]).map(|rule| (*rule, self.states));
        let invariants: BTreeMap<&str, usize> =
            of_states.chain([("no_late_and_no_illegal_write", self.steps)]).collect();
        json!({
            "rounds": 1, "seconds": seconds, "states": self.states, "steps": self.steps, "faults": {}, "invariants": invariants,
            "failures": u32::from(self.violation.is_some()), "failed_seeds": [], "violations": Vec::from_iter(&self.violation),
        })
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states, {} steps", self.states, self.steps)
    }
}

/// Looks at all of a model.
pub(crate) fn search(model: &Model) -> Found {
    let first = model.in_order(model.first());
    let mut numbers = HashMap::from([(first.clone(), 0_u32)]);
    let (mut states, mut before): (Vec<State>, Vec<Vec<u32>>) = (vec![first], vec![vec![]]);
    let (mut at, mut steps, mut next) = (0, 0, vec![]);
    let mut violation = None;
    while at < states.len() && violation.is_none() {
        assert!(states.len() < STATES_MAX, "more than {STATES_MAX} states, and {} of an addon", model.machine.count());
        let from = u32::try_from(at).unwrap();
        model.next(&states[at].clone(), &mut next);
        for came in next.drain(..) {
            steps += 1;
            match came {
                Err(why) => violation = violation.or(Some(why)),
                Ok(state) => {
                    let state = model.in_order(state);
                    let number = *numbers.entry(state.clone()).or_insert_with(|| {
                        states.push(state);
                        before.push(vec![]);
                        u32::try_from(states.len() - 1).unwrap()
                    });
                    before[number as usize].push(from);
                }
            }
        }
        violation = violation.or_else(|| model.broken(&states[at]));
        at += 1;
    }
    let violation = violation.or_else(|| stuck(model, &states, &before));
    Found { states: states.len(), steps, violation }
}

/// A state from which there is no way to rest.
fn stuck(model: &Model, states: &[State], before: &[Vec<u32>]) -> Option<String> {
    let mut can_rest: Vec<bool> = states.iter().map(|state| model.is_at_rest(state)).collect();
    let mut open: Vec<usize> = (0..states.len()).filter(|at| can_rest[*at]).collect();
    while let Some(at) = open.pop() {
        for earlier in before[at].iter().map(|number| *number as usize) {
            if !std::mem::replace(&mut can_rest[earlier], true) {
                open.push(earlier);
            }
        }
    }
    let stuck = can_rest.iter().position(|can| !can)?;
    let addons: Vec<_> = states[stuck].iter().map(|piece| model.machine.addon(piece.addon)).collect();
    Some(format!("no way to rest: {:?} {addons:?}", states[stuck]))
}
