//! `cargo xtask torture`: the long tests, one after the other, each for its share of the time, and one report of all of them.
//!
//! Each prints one line of JSON when it is over, `NAME: {…}`: rounds, faults by kind, how often each invariant was looked at, failures.

mod parts;
mod report;
mod run;
#[cfg(test)]
mod tests;
mod told;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::build::{self, Guests, PROFILE};
use crate::engine::{self, Engine};
use crate::shell::{self, Steps};
use crate::signals;
use crate::toolchain;
use crate::torture::parts::{Build, Needs, Part, allotted};
use crate::torture::report::{About, Done, End};
use crate::torture::run::Place;
use crate::torture::told::Told;
use crate::workspace::{self, Workspace};

/// How long it goes on unless told otherwise, in minutes.
pub(crate) const MINUTES: f64 = 30.0;
/// And at most.
pub(crate) const MINUTES_MAX: f64 = 24.0 * 60.0;
/// The crates that are optimised for what only computes. With their assertions, which a release leaves out; what they rest upon is the
/// release's own, so that nothing else is compiled.
const FAST: [&str; 4] = ["larder-domain", "larder-store", "larder-containers", "larder-control"];

/// What may be asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    /// How long it goes on once all is built, in minutes.
    pub(crate) minutes: f64,
    /// Where the report is written to.
    pub(crate) report: Option<PathBuf>,
    /// Part of the names of those that are to run.
    pub(crate) part: Option<String>,
}

/// Builds, tortures, reports.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let is_wanted = |part: &&Part| options.part.as_ref().is_none_or(|word| part.name.contains(word.as_str()));
    let wanted: Vec<&'static Part> = Part::ALL.iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        let names: Vec<&str> = Part::ALL.iter().map(|part| part.name).collect();
        bail!("no part has such a name; there are {}", names.join(", "));
    }
    let mut steps = Steps::new(3 + wanted.len());
    let built = build(workspace, &wanted, &mut steps)?;
    let mut about = About { minutes_asked: options.minutes, ..about(workspace) };
    signals::watch()?;
    let began = Instant::now();
    let done = torture(workspace, &built, &wanted, 60.0 * options.minutes, &mut steps)?;
    (about.minutes, about.is_broken_off) = (began.elapsed().as_secs_f64() / 60.0, signals::stop_asked());
    let text = report::markdown(&about, &done);
    shell::say(&text);
    if let Some(file) = &options.report {
        fs::write(file, &text).with_context(|| format!("{} can't be written", file.display()))?;
    }
    let is_well = done.iter().all(|done| done.failures() == 0);
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the parts need.
struct Built {
    guests: PathBuf,
    /// Test binaries by their names, each with its package's folder.
    binaries: HashMap<String, (PathBuf, PathBuf)>,
    engine: Option<Engine>,
}

fn build(workspace: &Workspace, wanted: &[&'static Part], steps: &mut Steps) -> Result<Built> {
    let (guests, _) = steps.step("Guests", || {
        let toolchain = toolchain::ensure(workspace)?;
        build::guests(workspace, &toolchain, Guests::All)
    })?;
    let (binaries, _) = steps.step("Test binaries", || {
        let mut binaries = HashMap::new();
        for build in [Build::Tests, Build::Fast] {
            binaries.extend(binaries_of(workspace, build, wanted)?);
        }
        Ok(binaries)
    })?;
    let needs_engine = wanted.iter().any(|part| part.needs == Needs::Engine) && workspace::may_change_the_machine();
    let (engine, _) = steps.step("An engine for containers", || match needs_engine {
        true => engine::ensure(workspace),
        false => Ok(None),
    })?;
    Ok(Built { guests, binaries, engine })
}

/// Builds the test binaries of one kind that are wanted, and asks cargo where they are.
fn binaries_of(
    workspace: &Workspace,
    build: Build,
    wanted: &[&'static Part],
) -> Result<HashMap<String, (PathBuf, PathBuf)>> {
    let mut names: Vec<&str> = wanted.iter().filter(|part| part.build == build).map(|part| part.binary).collect();
    names.dedup();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let mut cargo = shell::cargo(workspace);
    // All of the workspace is named, or its dependencies would have other features, and be compiled once more.
    cargo.args(["test", "--workspace", "--no-run", "--message-format", "json-render-diagnostics"]);
    cargo.args(names.iter().flat_map(|name| ["--test", name]));
    match build {
        Build::Tests => cargo.args(["--profile", PROFILE]),
        Build::Fast => cargo.arg("--release").args(FAST.iter().flat_map(|name| {
            let setting = |what: &str| format!("profile.release.package.{name}.{what}=true");
            ["--config".to_owned(), setting("debug-assertions"), "--config".to_owned(), setting("overflow-checks")]
        })),
    };
    let told = shell::read(&mut cargo, "mend what the compiler complains about")?;
    let found: HashMap<_, _> = told.lines().filter_map(binary_in).collect();
    match names.iter().find(|name| !found.contains_key(**name)) {
        Some(missing) => bail!("cargo has built no test binary {missing}"),
        None => Ok(found),
    }
}

/// A test binary that a message of cargo's is about: its name, where it is, and its package's folder.
fn binary_in(message: &str) -> Option<(String, (PathBuf, PathBuf))> {
    let message: Value = serde_json::from_str(message).ok()?;
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    let is_test = message.pointer("/target/kind/0").and_then(Value::as_str) == Some("test");
    let binary = PathBuf::from(text("/executable").filter(|_| is_test)?);
    let package = Path::new(text("/manifest_path")?).parent()?.to_path_buf();
    Some((text("/target/name")?.to_owned(), (binary, package)))
}

/// One part after the other: two at once would only take each other's time.
fn torture(
    workspace: &Workspace,
    built: &Built,
    wanted: &[&'static Part],
    seconds: f64,
    steps: &mut Steps,
) -> Result<Vec<Done>> {
    let began = Instant::now();
    let has_engine = built.engine.is_some();
    let why = |part: &Part| left_out(part, has_engine);
    let share = |part: &&'static Part| if why(part).is_some() { 0.0 } else { part.share };
    let mut shares: f64 = wanted.iter().map(share).sum();
    let mut all = vec![];
    for part in wanted {
        let left = seconds - began.elapsed().as_secs_f64();
        let time = Duration::from_secs_f64(allotted(left, share(part), shares));
        shares -= share(part);
        let not_begun = why(part).or_else(|| signals::stop_asked().then(|| "somebody broke off".to_owned()));
        let (done, _) = steps.step(&format!("{}: {}", part.name, part.about), || match not_begun {
            Some(why) => Ok(Done { part, minutes: 0.0, end: End::Left(why), told: Told::default() }),
            None => {
                let (binary, package) = built.binaries.get(part.binary).context("it was built")?;
                let engine = built.engine.as_ref().map(|engine| engine.endpoint.as_str());
                run::run(&Place { workspace, binary, package, guests: &built.guests, engine }, part, time)
            }
        })?;
        shell::say(&format!("      {} failures", done.failures()));
        all.push(done);
    }
    Ok(all)
}

/// Why a part can't run here, if it can't.
fn left_out(part: &Part, has_engine: bool) -> Option<String> {
    match part.needs {
        Needs::Nothing => None,
        _ if !workspace::may_change_the_machine() => Some("set LARDER_WORLD=1 to allow it".to_owned()),
        Needs::Engine if !has_engine => Some("there is no Docker engine".to_owned()),
        Needs::World | Needs::Engine => None,
    }
}

/// What is tortured, and on what; nothing that names a person's machine.
fn about(workspace: &Workspace) -> About {
    let said = |program: &str, words: &[&str]| {
        let output = shell::ask(shell::tool(workspace, program).args(words)).filter(|output| output.status.success());
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = said("git", &["log", "-1", "--format=%h, %cs"]).unwrap_or_else(|| "unknown".to_owned());
    let is_changed = said("git", &["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default();
    let kernel = said("uname", &["-sr"]).unwrap_or_default();
    About {
        commit: if is_changed { format!("{commit}, and changes") } else { commit },
        began: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_default(),
        machine: format!("{cores} cores, {:.0} GiB of memory, {kernel}", memory / 1024.0 / 1024.0),
        ..About::default()
    }
}
