//! One part: its test binary, started without cargo, so that nobody who builds meanwhile waits for it.

use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::engine;
use crate::shell;
use crate::signals;
use crate::torture::parts::Part;
use crate::torture::report::{Done, End};
use crate::torture::told::Told;
use crate::workspace::Workspace;

/// How much longer than it was given a part may take until it is ended: to come to rest, and to clean up.
pub(crate) const GRACE: Duration = Duration::from_secs(180);
/// How long a part has to end in good order once it was told to.
const END_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// How often it is told how far a part has come.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Where a part's binary is, and what it is told.
pub(crate) struct Place<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) binary: &'a Path,
    /// The folder of its package: cargo has tests run there.
    pub(crate) package: &'a Path,
    pub(crate) guests: &'a Path,
    pub(crate) engine: Option<&'a str>,
}

/// Runs a part for so long.
pub(crate) fn run(place: &Place<'_>, part: &'static Part, time: Duration) -> Result<Done> {
    let mut command = shell::tool(place.workspace, place.binary);
    command.current_dir(place.package).args(["--nocapture", "--test-threads", "2"]).args(Some(part.filter));
    command.env("LARDER_GUESTS", place.guests).env("LARDER_WORLD", "1").env("RUST_BACKTRACE", "0");
    command.env_remove("LARDER_SEED");
    if let Some(variable) = part.variable {
        command.env(variable, format!("{:.3}", time.as_secs_f64() / 60.0));
    }
    match place.engine {
        Some(endpoint) => command.env(engine::VARIABLE, endpoint),
        None => command.env_remove(engine::VARIABLE),
    };
    let (output, writer) = io::pipe().context("no pipe for a test's output")?;
    command.stdout(writer.try_clone().context("no pipe for a test's output")?).stderr(writer);
    // A group of its own, so that what it has started ends with it.
    let mut child = command.process_group(0).spawn().context("a test binary can't be started; build again")?;
    drop(command);
    let (told, began) = (Arc::default(), Instant::now());
    let listener = listen(output, part.name, &told);
    let ended = wait(&mut child, part, time, began)?;
    if !matches!(ended, Ended::Itself(_)) {
        end(&mut child)?;
    }
    // Unless something that was left holds the pipe, that was all.
    if matches!(ended, Ended::Itself(_)) && listener.join().is_err() {
        anyhow::bail!("what a test has said could not be read");
    }
    let told = std::mem::take(&mut *told.lock().map_err(|_| anyhow::anyhow!("what a test has said is lost"))?);
    let end = match ended {
        Ended::Itself(status) if status.success() && told.line().is_some() => End::Well,
        Ended::Itself(_) => End::Failed,
        Ended::Overdue => End::Overdue,
        Ended::BrokenOff => End::BrokenOff,
    };
    Ok(Done { part, minutes: began.elapsed().as_secs_f64() / 60.0, end, told })
}

fn listen(output: io::PipeReader, name: &'static str, told: &Arc<Mutex<Told>>) -> JoinHandle<()> {
    let told = Arc::clone(told);
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if let Ok(mut told) = told.lock() {
                told.hear(name, &String::from_utf8_lossy(&line));
            }
        }
    })
}

enum Ended {
    Itself(ExitStatus),
    Overdue,
    BrokenOff,
}

fn wait(child: &mut Child, part: &Part, time: Duration, began: Instant) -> Result<Ended> {
    let mut told_at = began;
    loop {
        if let Some(status) = child.try_wait().context("a test can't be waited for")? {
            return Ok(Ended::Itself(status));
        }
        if signals::stop_asked() {
            return Ok(Ended::BrokenOff);
        }
        if began.elapsed() > time + GRACE {
            return Ok(Ended::Overdue);
        }
        if told_at.elapsed() > TELL_EVERY {
            told_at = Instant::now();
            let (gone, all) = (began.elapsed().as_secs(), time.as_secs());
            shell::say(&format!("      {}: {gone} s of {all} s", part.name));
        }
        shell::pause(POLL);
    }
}

/// Ends a part with all that it has started.
fn end(child: &mut Child) -> Result<()> {
    signals::signal_group(child.id(), libc::SIGTERM);
    let ended = shell::wait_within(child, END_MAX)?;
    // Those that it has left behind.
    signals::signal_group(child.id(), libc::SIGKILL);
    if ended.is_none() {
        child.wait().context("a test can't be waited for")?;
    }
    Ok(())
}
