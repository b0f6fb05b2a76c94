//! What a long test amounts to: how often each fault struck and each invariant was looked at, in one line of JSON that has the same form
//! for all of them.

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

/// Violations that are told in full; more add nothing.
const TOLD_MAX: usize = 20;

/// How long a long test goes on: so many rounds, or so many minutes, as the environment says.
pub(crate) struct Length {
    rounds_max: u64,
    at_most: Option<Duration>,
    began: Instant,
}

impl Length {
    /// By `NAME_ROUNDS` and `NAME_MINUTES`, which may be a part of one; or else so many rounds.
    pub(crate) fn from_environment(name: &str, rounds: u64) -> Self {
        let number = |unit: &str| env::var(format!("{name}_{unit}")).ok().map(|number| number.parse::<f64>().unwrap());
        let at_most = number("MINUTES").map(|minutes| Duration::from_secs_f64(60.0 * minutes));
        let told = number("ROUNDS").map(|rounds| rounds as u64);
        let rounds_max = told.unwrap_or(if at_most.is_some() { u64::MAX } else { rounds });
        Self { rounds_max, at_most, began: Instant::now() }
    }

    /// By `NAME_MINUTES`, or else so many.
    pub(crate) fn of_minutes(name: &str, minutes: f64) -> Self {
        let told = Self::from_environment(name, u64::MAX);
        Self { at_most: told.at_most.or(Some(Duration::from_secs_f64(60.0 * minutes))), ..told }
    }

    /// Whether there is to be another round after so many.
    pub(crate) fn goes_on(&self, rounds: u64) -> bool {
        rounds < self.rounds_max && self.at_most.is_none_or(|at_most| self.began.elapsed() < at_most)
    }

    /// How many rounds there are at most, or so many if only time ends them.
    pub(crate) fn rounds_or(&self, rounds: u64) -> u64 {
        if self.rounds_max == u64::MAX { rounds } else { self.rounds_max }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

/// Counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    faults: BTreeMap<&'static str, u64>,
    checks: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
    /// In milliseconds, by what was waited for.
    waits: BTreeMap<&'static str, Vec<f64>>,
    /// What else a line tells.
    more: Map<String, Value>,
}

impl Tally {
    /// A fault struck.
    pub(crate) fn struck(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// An invariant was looked at; tells whether it holds.
    pub(crate) fn holds(&mut self, invariant: &'static str, holds: bool, why: impl FnOnce() -> String) -> bool {
        *self.checks.entry(invariant).or_default() += 1;
        if !holds {
            let violation = format!("{invariant}: {}", why());
            eprintln!("violated: {violation}");
            self.violations.push(violation);
        }
        holds
    }

    /// Something took so long.
    pub(crate) fn took(&mut self, what: &'static str, time: Duration) {
        self.waits.entry(what).or_default().push(time.as_secs_f64() * 1_000.0);
    }

    /// Something else was counted.
    pub(crate) fn count(&mut self, what: &str, times: u64) {
        let sum = self.more.get(what).and_then(Value::as_u64).unwrap_or_default();
        self.more.insert(what.to_owned(), json!(sum + times));
    }

    /// Something else is to be told.
    pub(crate) fn tell(&mut self, what: &str, value: Value) {
        self.more.insert(what.to_owned(), value);
    }

    /// What was not as it must be.
    pub(crate) fn violations(&self) -> &[String] {
        &self.violations[..self.violations.len().min(TOLD_MAX)]
    }

    /// Prints the line, and fails if anything was not as it must be.
    #[track_caller]
    pub(crate) fn close(mut self, name: &str, rounds: u64, length: &Length, seed: Option<u64>) {
        let waits = self.waits.iter_mut().map(|(what, times)| ((*what).to_owned(), spread(times)));
        let waits: Map<String, Value> = waits.collect();
        let seeds: Vec<u64> = seed.filter(|_| !self.violations.is_empty()).into_iter().collect();
        let mut line = json!({
            "rounds": rounds, "seconds": length.seconds(), "faults": self.faults, "invariants": self.checks,
            "failures": self.violations.len(), "failed_seeds": seeds, "violations": self.violations(),
        });
        let line_of = line.as_object_mut().unwrap();
        if !waits.is_empty() {
            line_of.insert("took_ms".to_owned(), Value::Object(waits));
        }
        line_of.extend(std::mem::take(&mut self.more));
        eprintln!("{name}: {line}");
        assert!(self.violations.is_empty(), "{name}, LARDER_SEED={seed:?}: {:#?}", self.violations());
    }
}

fn spread(times: &mut [f64]) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| ((times.len() - 1) as f64 * share).ceil() as usize;
    let of = |share: f64| times[at(share)].round();
    json!({ "median": of(0.5), "p99": of(0.99), "max": of(1.0), "count": times.len() })
}
