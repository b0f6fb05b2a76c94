//! Starting other programs: what they print passes through, what fails is named with a way on.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, Result, bail};

use crate::toolchain::GuestToolchain;
use crate::workspace::Workspace;

const POLL: Duration = Duration::from_millis(50);

/// Numbered steps on standard output, each with the time it took.
pub(crate) struct Steps {
    total: usize,
    done: usize,
    began: Instant,
    on_stderr: bool,
}

impl Steps {
    /// A task of `total` steps that begins now.
    pub(crate) fn new(total: usize) -> Self {
        Self { total, done: 0, began: Instant::now(), on_stderr: false }
    }

    /// The same on standard error, for a task whose standard output another program reads.
    pub(crate) fn on_stderr(self, on_stderr: bool) -> Self {
        Self { on_stderr, ..self }
    }

    /// Announces the next step, runs it, tells how long it took.
    pub(crate) fn step<T>(&mut self, title: &str, work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
        self.done += 1;
        self.tell(&format!("[{}/{}] {title}", self.done, self.total));
        let began = Instant::now();
        let value = work()?;
        let took = began.elapsed();
        let total = self.began.elapsed().as_secs_f64();
        let took_seconds = took.as_secs_f64();
        self.tell(&format!("      done in {took_seconds:.1} s ({total:.1} s since the start)"));
        Ok((value, took))
    }

    fn tell(&self, line: &str) {
        if self.on_stderr { eprintln!("{line}") } else { say(line) }
    }
}

/// Prints a line at once, also when standard output is a pipe.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe means that nobody reads: nothing is left to tell.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints an error and what led to it.
pub(crate) fn report(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// Cargo as if started from a plain shell at the top of the checkout: without the variables that the
/// cargo which runs us has set, with the target folder spelt out.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut command = tool(workspace, "cargo");
    command.env("CARGO_TARGET_DIR", &workspace.target);
    command
}

/// Cargo with a toolchain of rustup's and the guests' target folder, for code that runs in WebAssembly. The paths of this machine,
/// which panics would tell, are taken out: a component is the same wherever it was built, and strangers read it.
pub(crate) fn guest_cargo(workspace: &Workspace, toolchain: &GuestToolchain) -> Command {
    let mut command = tool(workspace, "cargo");
    command.env("CARGO_TARGET_DIR", workspace.guest_target(toolchain)).arg(format!("+{}", toolchain.name));
    let mut flags: Vec<String> = match env::var("CARGO_ENCODED_RUSTFLAGS") {
        Ok(encoded) => encoded.split('\u{1f}').filter(|flag| !flag.is_empty()).map(str::to_owned).collect(),
        Err(_) => env::var("RUSTFLAGS").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    };
    for (path, name) in machine_paths(workspace) {
        flags.push(format!("--remap-path-prefix={}={name}", path.display()));
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    command
}

/// Folders whose files are compiled into guests, and what they are called there.
pub(crate) fn machine_paths(workspace: &Workspace) -> Vec<(PathBuf, &'static str)> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let cargo = home.map(|home| (home.join("registry/src"), "registry"));
    cargo.into_iter().chain([(workspace.root.clone(), "larder")]).collect()
}

/// Any program, at the top of the checkout, as if started from a plain shell there.
pub(crate) fn tool(workspace: &Workspace, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    clean(&mut command);
    command.current_dir(&workspace.root);
    command
}

fn clean(command: &mut Command) {
    // `cargo run` points the library path at the host toolchain's, which another rustc must not load.
    const NAMES: [&str; 2] = ["CARGO", "LD_LIBRARY_PATH"];
    const PREFIXES: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if NAMES.contains(&text.as_ref()) || PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

/// Runs with everything passed through; `advice` tells what to do when it fails.
pub(crate) fn run(command: &mut Command, advice: &str) -> Result<()> {
    let status = command.status().with_context(|| not_started(command))?;
    if !status.success() {
        bail!("`{}` failed ({status}); {advice}", describe(command));
    }
    Ok(())
}

/// Runs and returns what was printed on standard output; standard error passes through.
pub(crate) fn read(command: &mut Command, advice: &str) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| not_started(command))?;
    if !output.status.success() {
        bail!("`{}` failed ({}); {advice}", describe(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs silently, for questions whose "no" is an answer too. `None` if it cannot be started.
pub(crate) fn ask(command: &mut Command) -> Option<Output> {
    command.stdin(Stdio::null()).output().ok()
}

/// Waits for a child at most so long; `None` when time is up, the child still running.
pub(crate) fn wait_within(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("a child process cannot be waited for")? {
            return Ok(Some(status));
        }
        if began.elapsed() >= limit {
            return Ok(None);
        }
        pause(POLL);
    }
}

/// Sleeps.
#[expect(clippy::disallowed_methods, reason = "another process is polled: no event to wait on")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// Copies unless the destination holds the same bytes already; tells whether it copied.
pub(crate) fn copy_if_changed(from: &Path, to: &Path) -> Result<bool> {
    let bytes =
        fs::read(from).with_context(|| format!("{} was built but cannot be read; build again", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(false);
    }
    let place = || format!("{} cannot be written; is the disk full?", to.display());
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(place)?;
    }
    // Renamed into place, so that a server which starts meanwhile never reads half a file.
    let partial = to.with_extension("partial");
    fs::copy(from, &partial).with_context(place)?;
    fs::rename(&partial, to).with_context(place)?;
    Ok(true)
}

/// Removes a folder with all that is in it, but not what is mounted there.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    let mut rm = Command::new("rm");
    run(rm.args(["-rf", "--one-file-system"]).arg(folder), "look what is mounted there")
}

/// The command line, for messages.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn not_started(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    format!("`{program}` could not be started; install it or put it on PATH, then try again")
}
