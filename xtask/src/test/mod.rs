//! `cargo xtask test`: builds the guests, runs every test once, counts honestly.
//!
//! Only `cargo test` is used, never `cargo build` beside it: the two resolve other features, and one
//! after the other compiles half the dependencies twice. Tests named `world_*` change the machine or
//! need services, so they come last, in a step of their own; it runs the same binaries again.
//!
//! A test that cannot run here says so in a file (see [`skips`]) and returns; it is then counted as
//! skipped, not as passed.

mod cargo;
mod output;
mod rings;
mod skips;
mod summary;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::build::{self, Guests};
use crate::engine::{self, Engine};
use crate::shell::{self, Steps};
use crate::test::cargo::{HOST, PROVIDERS, Tests};
use crate::test::rings::{Ring, Rings};
use crate::test::skips::Skips;
#[cfg(test)]
pub(crate) use crate::test::skips::{MACHINE, skip};
use crate::test::summary::Summary;
use crate::toolchain;
use crate::workspace::{self, Workspace};

/// Tests whose name starts so change the machine or need services.
const WORLD: &str = "world_";

/// Runs the tests, all or those whose name contains `filter`. The last line is always
/// `N passed, N failed, N skipped`, and the exit code agrees with it.
pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> ExitCode {
    let mut summary = Summary::default();
    if let Err(error) = attempt(workspace, filter, &mut summary) {
        shell::report(&error);
        summary.broken(format!("the run broke off: {error}"));
    }
    let (text, is_well) = summary.close(workspace::in_ci());
    shell::say(&text);
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn attempt(workspace: &Workspace, filter: Option<&str>, summary: &mut Summary) -> Result<()> {
    let may_have_engine = workspace::may_change_the_machine();
    let mut steps = Steps::new(if filter.is_none() { 5 } else { 3 } + usize::from(may_have_engine));
    let title = "A toolchain for WebAssembly guests";
    let (guest, took) = steps.step(title, || toolchain::ensure(workspace))?;
    summary.phase("guest toolchain", took);
    let title = "Guests: the providers, and those that only tests use";
    let (guests, took) = steps.step(title, || build::guests(workspace, &guest, Guests::All))?;
    summary.phase("build of the guests", took);

    let skips = Skips::new(workspace)?;
    let rings = Rings::read(workspace)?;
    let mut cargo_test = CargoTest { workspace, guests: &guests, skips: &skips, rings: &rings, engine: None, of: HOST };
    match filter {
        Some(filter) => {
            if may_have_engine {
                cargo_test.engine = an_engine(workspace, &mut steps, summary)?;
            }
            cargo_test.run(&mut steps, summary, "Tests", &["--", filter], None)?;
        }
        None => {
            let rest = ["--", "--skip", WORLD];
            let compiled = cargo_test.run(&mut steps, summary, "Tests", &rest, None)?;
            cargo_test.of = PROVIDERS;
            cargo_test.run(&mut steps, summary, "Providers", &[], None)?;
            cargo_test.of = HOST;
            let world = ["--tests", "--", WORLD];
            if compiled {
                if may_have_engine {
                    cargo_test.engine = an_engine(workspace, &mut steps, summary)?;
                }
                cargo_test.run(&mut steps, summary, "World", &world, Some(Ring::World))?;
            }
            summary.rings_complete = compiled;
        }
    }
    summary.skip(skips.finish()?);
    Ok(())
}

/// The engine for the tests that need one, which skip themselves where there is none.
fn an_engine(workspace: &Workspace, steps: &mut Steps, summary: &mut Summary) -> Result<Option<Engine>> {
    let (engine, took) = steps.step("An engine for containers, with images for tests", || {
        Ok(engine::ensure(workspace).unwrap_or_else(|error| {
            shell::report(&error);
            None
        }))
    })?;
    summary.phase("engine and images", took);
    Ok(engine)
}

/// What every run of `cargo test` has in common.
struct CargoTest<'a> {
    workspace: &'a Workspace,
    guests: &'a Path,
    skips: &'a Skips,
    rings: &'a Rings,
    engine: Option<Engine>,
    of: &'static [&'static str],
}

impl CargoTest<'_> {
    /// Runs and counts; tells whether it compiled.
    fn run(
        &mut self,
        steps: &mut Steps,
        summary: &mut Summary,
        title: &str,
        words: &[&str],
        ring: Option<Ring>,
    ) -> Result<bool> {
        let tests = Tests {
            packages: self.of,
            guests: self.guests,
            engine: self.engine.as_ref().map(|engine| engine.endpoint.as_str()),
            skips: self.skips.file(),
            words,
        };
        let (ended, took) = steps.step(title, || tests.run(self.workspace))?;
        summary.phase(&format!("{title}: build"), ended.build);
        summary.phase(&format!("{title}: run"), took.saturating_sub(ended.build));
        let compiled = ended.outcome.compiled();
        summary.add(ended.outcome, self.rings, ring);
        Ok(compiled)
    }
}
