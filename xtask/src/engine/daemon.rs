//! The private `dockerd`: started beside whatever runs here, awaited, stopped.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::engine::bridge::{self, Bridge};
use crate::engine::place::Place;
use crate::{debian, engine, shell, signals};

const READY_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

/// As many files as servers like to reckon with: some take memory for each that they might open.
const OPEN_FILES_MAX: u64 = 65_536;

/// Whether an engine listens there and is ready.
pub(crate) fn answers(socket: &Path) -> bool {
    ping(socket).is_ok_and(|answer| answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"))
}

fn ping(socket: &Path) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Starts the engine and waits until it is ready.
pub(crate) fn start(place: &Place) -> Result<()> {
    if let Some(pid) = running(place) {
        bail!("a private engine runs as process {pid} but does not answer; end that process and try again");
    }
    shell::say("      starting dockerd");
    fs::create_dir_all(&place.cache).with_context(|| format!("{} cannot be made", place.cache.display()))?;
    // Left by an engine that was killed; dockerd believes such a file if any process has that id by now.
    let _ = fs::remove_file(place.pid_file());
    let bridge = Bridge::make(place)?;
    let started = command(place, &bridge).and_then(|mut dockerd| {
        let mut child = dockerd.spawn().context("`dockerd` could not be started")?;
        let ready = wait_until_ready(place, &mut child);
        if ready.is_err() {
            signals::terminate(child.id());
            shell::wait_within(&mut child, STOP_LIMIT)?;
        }
        ready
    });
    if started.is_err() {
        bridge::remove(place);
    }
    started
}

/// Ports are published by a process in between, and by no rules of the firewall. Which storage driver will do is for dockerd to find.
fn command(place: &Place, bridge: &Bridge) -> Result<Command> {
    let mut dockerd = debian::tool("dockerd");
    let files = OPEN_FILES_MAX.min(open_files()?);
    let log = File::create(place.log()).context("the engine's log cannot be written")?;
    // What is configured for the engine of this machine is not for this one.
    fs::write(place.settings(), "{}").context("the engine's settings cannot be written")?;
    dockerd
        .arg("--data-root")
        .arg(place.cache.join("data"))
        .arg("--exec-root")
        .arg(place.exec())
        .arg("--pidfile")
        .arg(place.pid_file())
        .args(["--host", &place.endpoint(), "--group", "root"])
        .arg("--config-file")
        .arg(place.settings())
        .args(["--containerd-namespace", "larder", "--containerd-plugins-namespace", "larder-plugins"])
        .args(["--bridge", &bridge.name, "--default-address-pool", &bridge.pool()])
        .args(["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"])
        .args(["--default-ulimit", &format!("nofile={files}:{files}")])
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("the engine's log cannot be written")?)
        .stderr(log)
        // Ctrl-C reaches the run, which is what ends the engine.
        .process_group(0);
    Ok(dockerd)
}

fn wait_until_ready(place: &Place, child: &mut Child) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < READY_LIMIT {
        if let Some(status) = child.try_wait().context("dockerd cannot be watched")? {
            let advice = "in a container, it needs all privileges";
            bail!("dockerd ended ({status}): {}; {advice}", last_words(place));
        }
        if answers(&place.socket()) {
            return Ok(());
        }
        shell::pause(POLL);
    }
    bail!("dockerd was not ready within {} s: {}", READY_LIMIT.as_secs(), last_words(place))
}

fn last_words(place: &Place) -> String {
    let log = fs::read_to_string(place.log()).unwrap_or_default();
    log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it printed nothing").to_owned()
}

/// Ends the engine in good order: what runs on it is removed, images stay.
pub(crate) fn stop(place: &Place) -> Result<()> {
    let Some(pid) = running(place) else { return Ok(()) };
    clear(place);
    signals::terminate(pid);
    let began = Instant::now();
    while running(place).is_some() {
        if began.elapsed() > STOP_LIMIT {
            bail!("dockerd (process {pid}) did not stop within {} s", STOP_LIMIT.as_secs());
        }
        shell::pause(POLL);
    }
    bridge::remove(place);
    leave_namespaces(place);
    shell::remove_folder(&place.exec())?;
    for leftover in [place.pid_file(), place.socket(), place.log(), place.settings()] {
        let _ = fs::remove_file(leftover);
    }
    shell::say("The engine has stopped.");
    Ok(())
}

/// The namespace that containers in the machine's own network share stays mounted when the engine has stopped.
fn leave_namespaces(place: &Place) {
    for mount in fs::read_dir(place.exec().join("netns")).into_iter().flatten().flatten() {
        // One that is none, or is used, shows when the folder is removed.
        let _left = shell::ask(Command::new("umount").arg(mount.path()));
    }
}

/// Removes what tests have left; whatever can't be removed is there again next time, to be seen.
fn clear(place: &Place) {
    let endpoint = place.endpoint();
    let kinds: [(&[&str], &[&str]); 3] = [
        (&["container", "ls", "--all", "--quiet"], &["container", "rm", "--force", "--volumes"]),
        (&["network", "ls", "--quiet", "--filter", "type=custom"], &["network", "rm"]),
        (&["volume", "ls", "--quiet"], &["volume", "rm", "--force"]),
    ];
    for (list, remove) in kinds {
        let listed = shell::ask(engine::docker(&endpoint).args(list)).map(|output| output.stdout).unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed);
        if !listed.trim().is_empty() {
            let _ = shell::ask(engine::docker(&endpoint).args(remove).args(listed.split_whitespace()));
        }
    }
}

/// The engine's process, if the noted one is alive and is indeed it.
fn running(place: &Place) -> Option<u32> {
    let pid: u32 = fs::read_to_string(place.pid_file()).ok()?.trim().parse().ok()?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let own = place.pid_file();
    let is_ours = words.split(|byte| *byte == 0).any(|word| word == own.as_os_str().as_encoded_bytes());
    is_ours.then_some(pid)
}

/// How many files a process may have open here at most: nobody but the kernel's owner can give a container more.
fn open_files() -> Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call writes to `limit`, which outlives it, and to nothing else.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } {
        0 => Ok(limit.rlim_max),
        _ => Err(io::Error::last_os_error()).context("the limit of open files cannot be read"),
    }
}
