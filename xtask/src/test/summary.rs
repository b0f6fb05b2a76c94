//! What is printed at the end, and the verdict that follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::test::output::{Ignored, Outcome};
use crate::test::rings::{self, Ring, Rings};

/// Everything counted so far.
#[derive(Default)]
pub(crate) struct Summary {
    passed: usize,
    failed: usize,
    skipped: Vec<Ignored>,
    failures: Vec<String>,
    phases: Vec<(String, Duration)>,
    rings: BTreeMap<Ring, f64>,
    /// Whether every ring ran in full, so that its time means something.
    pub(crate) rings_complete: bool,
}

/// The three numbers of the closing line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that ran and held.
    pub(crate) passed: usize,
    /// Tests that failed, binaries that crashed, steps that broke.
    pub(crate) failed: usize,
    /// Tests that did not run.
    pub(crate) skipped: usize,
}

impl Summary {
    /// Adds one run of `cargo test`; `ring` if all of it belongs to one.
    pub(crate) fn add(&mut self, outcome: Outcome, rings: &Rings, ring: Option<Ring>) {
        let explained = outcome.failures.len() + outcome.crashed.len();
        for binary in &outcome.binaries {
            self.passed += binary.passed;
            self.failed += binary.failed;
            if let Some(ring) = rings.of(binary).map(|own| ring.unwrap_or(own)) {
                *self.rings.entry(ring).or_default() += binary.seconds;
            }
        }
        for name in &outcome.crashed {
            self.broken(format!("{name}: ended without telling a result"));
        }
        let counted = outcome.binaries.iter().any(|binary| binary.failed > 0);
        if !outcome.succeeded && explained == 0 && !counted {
            let what = if outcome.compiled() { "`cargo test` failed" } else { "does not compile" };
            self.broken(format!("{what}: see above"));
        }
        self.failures.extend(outcome.failures);
        self.skipped.extend(outcome.ignored);
    }

    /// Counts a failure that is no test's own.
    pub(crate) fn broken(&mut self, what: String) {
        self.failed += 1;
        self.failures.push(what);
    }

    /// Takes out of the passed those tests that noted that they could not run.
    pub(crate) fn skip(&mut self, noted: Vec<Ignored>) {
        self.passed = self.passed.saturating_sub(noted.len());
        self.skipped.extend(noted);
    }

    /// Notes how long a phase took.
    pub(crate) fn phase(&mut self, name: &str, took: Duration) {
        self.phases.push((name.to_owned(), took));
    }

    /// The numbers as they stand.
    pub(crate) fn counts(&self) -> Counts {
        Counts { passed: self.passed, failed: self.failed, skipped: self.skipped.len() }
    }

    /// The text to end with, the closing line last, and whether all is well.
    pub(crate) fn close(mut self, in_ci: bool) -> (String, bool) {
        self.skipped.sort();
        let mut text = self.phase_table();
        if self.rings_complete {
            text += &self.ring_table();
        }
        text += &self.lists();
        if in_ci && !self.skipped.is_empty() {
            text += "\nA skipped test fails a CI run: make it able to run there, or remove it.\n";
        }
        let nothing_ran = self.passed + self.failed + self.skipped.len() == 0;
        if nothing_ran {
            text += "\nNo test ran: no name contains that word. `cargo xtask test` runs all.\n";
        }
        let Counts { passed, failed, skipped } = self.counts();
        text += &format!("\n{passed} passed, {failed} failed, {skipped} skipped");
        (text, failed == 0 && !nothing_ran && !(in_ci && skipped > 0))
    }

    fn phase_table(&self) -> String {
        let line = |(name, took): &(String, Duration)| format!("{name:<28} {:>7.1}\n", took.as_secs_f64());
        let lines: String = self.phases.iter().map(line).collect();
        format!("\nphase                        seconds\n{lines}")
    }

    fn ring_table(&self) -> String {
        let mut table = String::from("\nring        seconds   budget\n");
        for ring in Ring::ALL {
            let seconds = self.rings.get(&ring).copied().unwrap_or_default();
            let (title, budget) = (ring.title(), ring.budget_seconds());
            let is_over = rings::is_over(ring, seconds);
            let note = if is_over { "   over budget: make its slowest test faster or move it outwards" } else { "" };
            table += &format!("{title:<10} {seconds:>8.2} {budget:>8.0}{note}\n");
        }
        table
    }

    fn lists(&self) -> String {
        let skip = |Ignored { name, reason }: &Ignored| {
            let reason = if reason.is_empty() { "no reason given" } else { reason };
            format!("  {name}: {reason}\n")
        };
        let failure = |failure: &String| format!("  {failure}\n");
        titled("skipped", self.skipped.iter().map(skip).collect())
            + &titled("failed", self.failures.iter().map(failure).collect())
    }
}

fn titled(title: &str, lines: String) -> String {
    if lines.is_empty() { lines } else { format!("\n{title}:\n{lines}") }
}
