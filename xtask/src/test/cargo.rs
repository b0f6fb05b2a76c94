//! One run of `cargo test`, its output shown and read at the same time.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::build::PROFILE;
use crate::engine;
use crate::shell;
use crate::test::output::{Outcome, Reader};
use crate::test::skips;
use crate::workspace::Workspace;

/// The host's workspace.
pub(crate) const HOST: &[&str] = &["--profile", PROFILE, "--workspace"];
/// What of the guests' workspace can be tested without a sandbox.
pub(crate) const PROVIDERS: &[&str] = &[
    "--manifest-path",
    "providers/Cargo.toml",
    "--package",
    "larder-clients",
    "--package",
    "larder-servers",
    "--package",
    "http",
    "--package",
    "mysql",
    "--package",
    "postgres",
    "--lib",
];

/// What to run, and what the tests are told.
pub(crate) struct Tests<'a> {
    /// Which packages, and how they are built: [`HOST`] or [`PROVIDERS`].
    pub(crate) packages: &'a [&'a str],
    /// Folder with the guests' `.wasm` files.
    pub(crate) guests: &'a Path,
    /// Endpoint of an engine that has the images, if there is one.
    pub(crate) engine: Option<&'a str>,
    /// Where a test notes that it cannot run here.
    pub(crate) skips: &'a Path,
    /// Further words for `cargo test`.
    pub(crate) words: &'a [&'a str],
}

/// What came of it.
pub(crate) struct Ended {
    /// The counts.
    pub(crate) outcome: Outcome,
    /// Time until the first test ran.
    pub(crate) build: Duration,
}

/// How many tests run at once, as the test programs read it.
const THREADS: &str = "RUST_TEST_THREADS";

/// Two for each core, unless somebody wants another number: most tests wait for something for a while.
fn threads() -> OsString {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    env::var_os(THREADS).unwrap_or_else(|| (2 * cores).to_string().into())
}

impl Tests<'_> {
    /// Runs to the end, whatever fails.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<Ended> {
        let mut command = self.command(workspace);
        // One pipe for both streams keeps "Running …" before the results it belongs to.
        let (output, writer) = io::pipe().context("no pipe for cargo's output")?;
        command.stdout(writer.try_clone().context("no pipe for cargo's output")?).stderr(writer);
        let began = Instant::now();
        let mut child = command.spawn().context("`cargo` could not be started; put it on PATH, then try again")?;
        // Ours is the last copy of the pipe's writing end: the output ends when cargo does.
        drop(command);
        let (mut reader, mut build) = (Reader::default(), None);
        let mut lines = BufReader::new(output).split(b'\n');
        while let Some(line) = lines.next().transpose().context("cargo's output broke off")? {
            reader.line(&String::from_utf8_lossy(&line), &mut |line| shell::say(line));
            if build.is_none() && reader.has_started() {
                build = Some(began.elapsed());
            }
        }
        let status = child.wait().context("cargo cannot be waited for")?;
        let build = build.unwrap_or_else(|| began.elapsed());
        Ok(Ended { outcome: reader.finish(status.success()), build })
    }

    fn command(&self, workspace: &Workspace) -> Command {
        let mut command = shell::cargo(workspace);
        let colour = if io::stdout().is_terminal() { "always" } else { "never" };
        command
            .args(["test", "--no-fail-fast", "--color", colour])
            .args(self.packages)
            .args(self.words)
            .env("LARDER_GUESTS", self.guests)
            .env(THREADS, threads())
            .env(skips::VARIABLE, self.skips);
        match self.engine {
            Some(endpoint) => command.env(engine::VARIABLE, endpoint),
            None => command.env_remove(engine::VARIABLE),
        };
        command
    }
}
