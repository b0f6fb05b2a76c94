//! What may be typed after `cargo xtask`, kept apart from doing it so that it can be tested.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::torture;

/// Printed by `cargo xtask help`.
pub(crate) const HELP: &str = "\
Usage: cargo xtask <command>

  start [--exit] [--listen ADDR] [--data-dir DIR]
                    build Larder and its providers, start a server, provision a first addon
                      --listen    address to serve on (127.0.0.1:7117; port 0 takes any free one)
                      --data-dir  where state is kept (data/ in the checkout)
                      --exit      stop once the first addon is there
  test [FILTER]     build every guest, run the tests, end with `N passed, N failed, N skipped`
  engine [start|stop|status]
                    a Docker engine with images for tests; one that is started here stays until it is stopped
  lint [--fix]      house rules, formatting, clippy, licences
  tidy              the house rules alone
  guest-toolchain   make wasm32-wasip2 available; the last line is the toolchain's name
  advisories        known vulnerabilities, and whether the sandbox has a newer patch release
  bench [ROW] [--json]
                    measure a release build
  fuzz [TARGET] [--seconds N]
                    throw bytes at what reads strangers' bytes: upload, grant, answer
  torture [PART] [--minutes N] [--report FILE]
                    the long tests for N minutes (30) once they are built: simulation, crash campaigns, soak; and a report
  help              this text

Environment:
  CI=true           a skipped test or a missing tool is a failure
  LARDER_WORLD=1    also run the tests that change the machine (they install packages)
  LARDER_ENGINE=URL the Docker engine for tests, instead of a private one
  FORCE_DEBIAN=1    take the guest toolchain from Debian's packages, never from rustup
";

/// One command with its options.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    /// Print [`HELP`].
    Help,
    /// Build everything, serve, provision.
    Start(StartOptions),
    /// Make guests buildable and say with which toolchain.
    GuestToolchain,
    /// Run the tests, or those whose name contains `filter`.
    Test {
        /// Part of a test's name.
        filter: Option<String>,
    },
    /// Start, stop or show the engine that tests use.
    Engine(EngineTask),
    /// Check everything that needs no run.
    Lint {
        /// Mend what a tool can mend.
        fix: bool,
    },
    /// Check the house rules only.
    Tidy,
    /// Look for known vulnerabilities.
    Advisories,
    /// Fuzz one target, or all.
    Fuzz {
        /// Its name.
        target: Option<String>,
        /// For how long each.
        seconds: u32,
    },
    /// Measure; the arguments are the bench program's own.
    Bench {
        /// Handed on as they are.
        args: Vec<String>,
    },
    /// Run the long tests.
    Torture(torture::Options),
}

/// What to do about the engine that tests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineTask {
    /// Start one that stays.
    Start,
    /// Stop it.
    Stop,
    /// Tell whether one runs, and where.
    Status,
}

/// Options of `start`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StartOptions {
    /// Stop the server as soon as the first addon is provisioned.
    pub(crate) exit: bool,
    /// Address to serve on.
    pub(crate) listen: String,
    /// Data directory; `data` in the checkout unless given.
    pub(crate) data_dir: Option<PathBuf>,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self { exit: false, listen: "127.0.0.1:7117".to_owned(), data_dir: None }
    }
}

/// Reads the words after `cargo xtask`.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Task> {
    let mut words = words.into_iter();
    let command = words.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = words.collect();
    if command != "bench" && rest.iter().any(|word| word == "--help" || word == "-h") {
        return Ok(Task::Help);
    }
    match command.as_str() {
        "help" | "--help" | "-h" => Ok(Task::Help),
        "start" => start(rest).map(Task::Start),
        "test" => test(rest),
        "lint" => match rest.as_slice() {
            [] => Ok(Task::Lint { fix: false }),
            [word] if word == "--fix" => Ok(Task::Lint { fix: true }),
            _ => unexpected("lint", &rest),
        },
        "engine" => engine(&rest),
        "fuzz" => fuzz(rest),
        "tidy" if rest.is_empty() => Ok(Task::Tidy),
        "guest-toolchain" if rest.is_empty() => Ok(Task::GuestToolchain),
        "advisories" if rest.is_empty() => Ok(Task::Advisories),
        "torture" => self::torture(rest),
        "bench" => Ok(Task::Bench { args: rest }),
        "tidy" | "guest-toolchain" | "advisories" => unexpected(&command, &rest),
        _ => bail!("there is no command `{command}`; `cargo xtask help` lists those there are"),
    }
}

fn start(words: Vec<String>) -> Result<StartOptions> {
    let mut options = StartOptions::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        match (name.as_str(), inline) {
            ("--exit", None) => options.exit = true,
            ("--listen", inline) => options.listen = value("--listen", inline, &mut words)?,
            ("--data-dir", inline) => {
                options.data_dir = Some(value("--data-dir", inline, &mut words)?.into());
            }
            (_, inline) => {
                let word = inline.map_or(name.clone(), |value| format!("{name}={value}"));
                return unexpected("start", &[word]);
            }
        }
    }
    Ok(options)
}

fn value(name: &str, inline: Option<String>, words: &mut impl Iterator<Item = String>) -> Result<String> {
    match inline.or_else(|| words.next()) {
        Some(value) if !value.is_empty() && !value.starts_with("--") => Ok(value),
        _ => bail!("{name} needs a value after it, for example `{}`", example(name)),
    }
}

fn example(name: &str) -> &'static str {
    match name {
        "--listen" => "--listen 127.0.0.1:0",
        "--seconds" => "--seconds 60",
        "--minutes" => "--minutes 30",
        "--report" => "--report report.md",
        _ => "--data-dir /tmp/larder",
    }
}

fn fuzz(words: Vec<String>) -> Result<Task> {
    let (mut target, mut seconds) = (None, crate::fuzz::SECONDS);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                let number = value("--seconds", None, &mut words)?;
                seconds = number.parse().ok().filter(|seconds| *seconds > 0).context("--seconds needs a number")?;
            }
            name if target.is_none() && !name.starts_with('-') => target = Some(name.to_owned()),
            _ => return unexpected("fuzz", &[word]),
        }
    }
    Ok(Task::Fuzz { target, seconds })
}

fn torture(words: Vec<String>) -> Result<Task> {
    let mut options = torture::Options { minutes: torture::MINUTES, report: None, part: None };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--minutes" => {
                let number = value("--minutes", None, &mut words)?;
                let minutes = number.parse().ok().filter(|minutes| (0.1..=torture::MINUTES_MAX).contains(minutes));
                options.minutes = minutes.context("--minutes needs a number, from 0.1 to 1440")?;
            }
            "--report" => options.report = Some(value("--report", None, &mut words)?.into()),
            part if options.part.is_none() && !part.starts_with('-') => options.part = Some(part.to_owned()),
            _ => return unexpected("torture", &[word]),
        }
    }
    Ok(Task::Torture(options))
}

fn engine(words: &[String]) -> Result<Task> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["start"] => Ok(Task::Engine(EngineTask::Start)),
        ["stop"] => Ok(Task::Engine(EngineTask::Stop)),
        [] | ["status"] => Ok(Task::Engine(EngineTask::Status)),
        _ => bail!("`engine` takes `start`, `stop` or `status`; `cargo xtask help` tells what they do"),
    }
}

fn test(words: Vec<String>) -> Result<Task> {
    match words.as_slice() {
        [] => Ok(Task::Test { filter: None }),
        [filter] if !filter.starts_with('-') => Ok(Task::Test { filter: Some(filter.clone()) }),
        _ => unexpected("test", &words),
    }
}

fn unexpected<T>(command: &str, words: &[String]) -> Result<T> {
    bail!("`{command}` does not understand `{}`; `cargo xtask help` tells what it takes", words.join(" "))
}
