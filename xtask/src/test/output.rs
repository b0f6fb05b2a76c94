//! Reads what `cargo test` prints, line by line, while it is shown.
//!
//! The counts come from each test binary's own `test result:` line. A binary that is announced and
//! gives none has crashed or left early, and counts as one failure: silence is never a pass.

use std::path::Path;

/// What became of one test binary.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Binary {
    /// File name without cargo's hash; the crate's name for documentation tests.
    pub(crate) name: String,
    /// Whether these are examples out of the documentation.
    pub(crate) is_doc: bool,
    /// Tests that passed, those that returned at once for want of something included.
    pub(crate) passed: usize,
    /// Tests that failed.
    pub(crate) failed: usize,
    /// How long all of them took.
    pub(crate) seconds: f64,
}

/// A test that was not run, as the test runner knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ignored {
    /// Name of the test.
    pub(crate) name: String,
    /// Why; may be empty.
    pub(crate) reason: String,
}

/// Everything one `cargo test` told.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Binaries that ended with a result.
    pub(crate) binaries: Vec<Binary>,
    /// Binaries that ended without one.
    pub(crate) crashed: Vec<String>,
    /// Tests marked `#[ignore]`.
    pub(crate) ignored: Vec<Ignored>,
    /// Names of tests that failed, each with its binary.
    pub(crate) failures: Vec<String>,
    /// Cargo's own verdict.
    pub(crate) succeeded: bool,
}

impl Outcome {
    /// Whether any test binary was reached at all.
    pub(crate) fn compiled(&self) -> bool {
        !self.binaries.is_empty() || !self.crashed.is_empty()
    }
}

/// Turns lines into an [`Outcome`].
#[derive(Default)]
pub(crate) struct Reader {
    outcome: Outcome,
    /// The binary that runs now: name and whether it is documentation.
    current: Option<(String, bool)>,
    /// Lines kept back until it is known whether the binary has any test to run.
    held: Vec<String>,
    /// The current binary has nothing to run, so nothing of it is shown.
    muted: bool,
}

impl Reader {
    /// Takes one line; hands on those that are worth showing.
    pub(crate) fn line(&mut self, line: &str, show: &mut dyn FnMut(&str)) {
        let plain = without_colour(line);
        if let Some(header) = header(&plain) {
            self.close();
            self.current = Some(header);
            self.held = vec![line.to_owned()];
            self.muted = false;
        } else if self.current.is_none() {
            let left_over = self.muted && plain.trim().is_empty();
            if !left_over {
                show(line);
            }
        } else if let Some(count) = running(&plain) {
            self.muted = count == 0;
            self.release(show);
            self.pass_on(line, show);
        } else if let Some((passed, failed, seconds)) = result(&plain) {
            self.pass_on(line, show);
            if let Some((name, is_doc)) = self.current.take() {
                let binary = Binary { name, is_doc, passed, failed, seconds };
                self.outcome.binaries.push(binary);
            }
        } else {
            self.test_line(&plain);
            self.pass_on(line, show);
        }
    }

    /// Whether a test binary has been announced yet, that is, whether all is compiled.
    pub(crate) fn has_started(&self) -> bool {
        self.current.is_some() || self.outcome.compiled()
    }

    /// No more lines will come; `succeeded` is cargo's exit code.
    pub(crate) fn finish(mut self, succeeded: bool) -> Outcome {
        self.close();
        self.outcome.succeeded = succeeded;
        self.outcome
    }

    fn close(&mut self) {
        if let Some((name, _)) = self.current.take() {
            self.outcome.crashed.push(name);
        }
    }

    fn test_line(&mut self, plain: &str) {
        let Some((name, verdict)) = plain.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) else {
            return;
        };
        if verdict == "FAILED" {
            let binary = self.current.as_ref().map_or("", |(binary, _)| binary);
            self.outcome.failures.push(format!("{binary}: {name}"));
        } else if let Some(reason) = verdict.strip_prefix("ignored") {
            let reason = reason.trim_start_matches([',', ' ']).to_owned();
            self.outcome.ignored.push(Ignored { name: name.to_owned(), reason });
        }
    }

    fn release(&mut self, show: &mut dyn FnMut(&str)) {
        for line in std::mem::take(&mut self.held) {
            if !self.muted {
                show(&line);
            }
        }
    }

    fn pass_on(&mut self, line: &str, show: &mut dyn FnMut(&str)) {
        if self.muted {
            return;
        }
        // Whatever a binary prints before it counts its tests is held with its header, but for a
        // binary that never counts nothing may be lost.
        if self.held.is_empty() {
            show(line);
        } else if !line.trim().is_empty() {
            self.release(show);
            show(line);
        }
    }
}

/// `Running unittests src/lib.rs (…/deps/NAME-HASH)` or `Doc-tests NAME`.
fn header(plain: &str) -> Option<(String, bool)> {
    if let Some(name) = plain.strip_prefix("   Doc-tests ") {
        return Some((name.trim().to_owned(), true));
    }
    let rest = plain.strip_prefix("     Running ")?;
    let path = rest.strip_suffix(')')?.rsplit_once('(')?.1;
    let file = Path::new(path).file_name()?.to_str()?;
    let (name, hash) = file.rsplit_once('-')?;
    let hashed = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    hashed.then(|| (name.to_owned(), false))
}

/// `running 12 tests`.
fn running(plain: &str) -> Option<usize> {
    let (count, unit) = plain.strip_prefix("running ")?.split_once(' ')?;
    matches!(unit, "test" | "tests").then(|| count.parse().ok()).flatten()
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s`.
fn result(plain: &str) -> Option<(usize, usize, f64)> {
    let rest = plain.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut parts = rest.split("; ");
    let mut count = |unit: &str| parts.next()?.strip_suffix(unit)?.trim().parse::<usize>().ok();
    let (passed, failed) = (count("passed")?, count("failed")?);
    count("ignored")?;
    let seconds = rest.rsplit_once("finished in ")?.1.strip_suffix('s')?.parse().ok()?;
    Some((passed, failed, seconds))
}

/// Without the terminal's colour codes.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            for code in characters.by_ref() {
                if code.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(character);
        }
    }
    plain
}
