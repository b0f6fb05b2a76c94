//! What is printed at the end, and the verdict that follows from it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use crate::shell::say;
use crate::test::output::{Ignored, Outcome};
use crate::test::rings::{self, Ring, Rings, Verdict};

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
            let what = if outcome.compiled() {
                "`cargo test` failed"
            } else {
                "does not compile"
            };
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
        Counts {
            passed: self.passed,
            failed: self.failed,
            skipped: self.skipped.len(),
        }
    }

    /// Prints tables, skips, failures and the closing line; returns the verdict.
    pub(crate) fn print(mut self, in_ci: bool) -> ExitCode {
        self.skipped.sort();
        self.print_phases();
        if self.rings_complete {
            self.print_rings(in_ci);
        }
        self.print_lists();
        if in_ci && !self.skipped.is_empty() {
            say("\nSkipped tests fail a CI run: make them able to run there, or remove them.");
        }
        let nothing_ran = self.passed + self.failed + self.skipped.len() == 0;
        if nothing_ran {
            say("\nNo test ran: no name contains that word. `cargo xtask test` runs all.");
        }
        let Counts {
            passed,
            failed,
            skipped,
        } = self.counts();
        say(&format!(
            "\n{passed} passed, {failed} failed, {skipped} skipped"
        ));
        if failed > 0 || nothing_ran || (in_ci && skipped > 0) {
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }

    fn print_phases(&self) {
        say("\nphase                        seconds");
        for (name, took) in &self.phases {
            say(&format!("{name:<28} {:>7.1}", took.as_secs_f64()));
        }
    }

    fn print_rings(&mut self, in_ci: bool) {
        say("\nring        seconds   budget");
        for ring in Ring::ALL {
            let seconds = self.rings.get(&ring).copied().unwrap_or_default();
            let (title, budget) = (ring.title(), ring.budget_seconds());
            let note = match rings::judge(ring, seconds, in_ci) {
                Verdict::Within => "",
                Verdict::Over => "   over budget: make its slowest test faster or move it outwards",
                Verdict::TooSlow => {
                    self.broken(format!(
                        "ring {title}: {seconds:.1} s, its budget is {budget} s"
                    ));
                    "   FAR over budget"
                }
            };
            say(&format!("{title:<10} {seconds:>8.2} {budget:>8.0}{note}"));
        }
    }

    fn print_lists(&self) {
        if !self.skipped.is_empty() {
            say("\nskipped:");
        }
        for Ignored { name, reason } in &self.skipped {
            let reason = if reason.is_empty() {
                "no reason given"
            } else {
                reason
            };
            say(&format!("  {name}: {reason}"));
        }
        if !self.failures.is_empty() {
            say("\nfailed:");
        }
        for failure in &self.failures {
            say(&format!("  {failure}"));
        }
    }
}
