//! `larder serve` as a child process: started, awaited, watched, stopped.
//!
//! It stands in a process group of its own, so that Ctrl-C reaches it once, from us; should we be
//! killed, the kernel tells it to stop (on Linux). What it prints is held back until there is nothing
//! else to read on the terminal, and shown at once if it dies.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader, PipeReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{shell, signals};

const READY_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
const HELD_LINES_MAX: usize = 200;

/// A running server.
pub(crate) struct Server {
    child: Child,
    log: Log,
    reader: Option<JoinHandle<()>>,
    /// Where it can be reached.
    pub(crate) url: String,
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(crate) fn spawn(larder: &Path, data_dir: &Path, listen: &str) -> Result<Self> {
        let announcement = Announcement::before_start(data_dir);
        let (output, writer) = io::pipe().context("no pipe for the server's output")?;
        let mut command = Command::new(larder);
        command
            .args(["serve", "--listen", listen, "--data-dir"])
            .arg(data_dir)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().context("no pipe for the server's output")?)
            .stderr(writer)
            .process_group(0);
        end_with_parent(&mut command);
        let child =
            command.spawn().with_context(|| format!("{} could not be started; build it again", larder.display()))?;
        // Ours is the last copy of the pipe's writing end: the log ends when the server does.
        drop(command);
        let log = Log::default();
        let reader = Some(log.follow(output));
        let mut server = Self { child, log, reader, url: String::new() };
        server.url = server.wait_until_ready(&announcement)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, announcement: &Announcement) -> Result<String> {
        let began = Instant::now();
        while began.elapsed() < READY_LIMIT {
            self.check()?;
            if let Some(url) = announcement.of(self.child.id()) {
                return Ok(url);
            }
            shell::pause(POLL);
        }
        self.show_log();
        bail!("the server was not ready within {} s; see its log above", READY_LIMIT.as_secs())
    }

    /// Fails if the server has ended or somebody wants us to stop.
    pub(crate) fn check(&mut self) -> Result<()> {
        if signals::stop_asked() {
            bail!("stopped on request before everything was ready");
        }
        match self.child.try_wait().context("the server cannot be watched")? {
            None => Ok(()),
            Some(status) => self.ended_early(status),
        }
    }

    /// Prints what was held back of the server's output, and the rest as it comes.
    pub(crate) fn show_log(&self) {
        self.log.show();
    }

    /// Returns when somebody wants us to stop; fails when the server ends by itself.
    pub(crate) fn wait_for_end(&mut self) -> Result<()> {
        while !signals::stop_asked() {
            self.check()?;
            shell::pause(POLL);
        }
        Ok(())
    }

    /// Ends the server in good order.
    pub(crate) fn stop(mut self) -> Result<()> {
        signals::terminate(self.child.id());
        match shell::wait_within(&mut self.child, STOP_LIMIT)? {
            Some(status) if status.success() => {
                shell::say("The server has stopped.");
                Ok(())
            }
            Some(status) => self.ended_early(status),
            None => {
                self.show_log();
                bail!("the server did not stop within {} s and was killed", STOP_LIMIT.as_secs())
            }
        }
    }

    fn ended_early(&mut self, status: ExitStatus) -> Result<()> {
        if let Some(reader) = self.reader.take() {
            // What it printed last must be out before we say that it is gone.
            let _ = reader.join();
        }
        self.show_log();
        bail!("the server ended ({status}); its output above tells why")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signals::terminate(self.child.id());
            if !matches!(shell::wait_within(&mut self.child, STOP_LIMIT), Ok(Some(_))) {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

/// `server.json`, where a server that is ready tells its address.
///
/// One that is there already is left alone: it may belong to a server that still runs in this folder.
struct Announcement {
    file: PathBuf,
    earlier: Option<SystemTime>,
}

impl Announcement {
    fn before_start(data_dir: &Path) -> Self {
        let file = data_dir.join("server.json");
        let earlier = modified(&file);
        Self { file, earlier }
    }

    /// The address, once the process `pid` has written it.
    fn of(&self, pid: u32) -> Option<String> {
        if modified(&self.file) == self.earlier {
            return None;
        }
        let value: Value = serde_json::from_slice(&fs::read(&self.file).ok()?).ok()?;
        let ours = value.get("pid")?.as_u64()? == u64::from(pid);
        ours.then(|| value.get("url")?.as_str().map(str::to_owned)).flatten()
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(target_os = "linux")]
fn end_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only this one system call is made, which touches no memory.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent(_command: &mut Command) {}

/// The server's output: its last lines until shown, then everything.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    shown: bool,
    lines: VecDeque<String>,
}

impl Log {
    fn follow(&self, output: PipeReader) -> JoinHandle<()> {
        let log = self.clone();
        thread::spawn(move || {
            let mut lines = BufReader::new(output).split(b'\n');
            while let Some(Ok(line)) = lines.next() {
                log.take(String::from_utf8_lossy(&line).into_owned());
            }
        })
    }

    fn take(&self, line: String) {
        let mut held = self.held();
        if held.shown {
            eprintln!("{line}");
            return;
        }
        if held.lines.len() == HELD_LINES_MAX {
            held.lines.pop_front();
        }
        held.lines.push_back(line);
    }

    fn show(&self) {
        let mut held = self.held();
        held.shown = true;
        for line in held.lines.drain(..) {
            eprintln!("{line}");
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
