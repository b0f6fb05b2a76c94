//! Servers of a test's own, which end with it.

use std::env;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A server that runs until this is dropped.
pub(crate) struct Server {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    process: Child,
    /// How it is asked to end.
    signal: &'static str,
}

impl Server {
    /// Starts a server that logs to standard output or standard error, and waits until it says `ready`.
    pub(crate) fn start(dir: TempDir, port: u16, command: &mut Command, ready: &str, signal: &'static str) -> Self {
        let (output, writer) = std::io::pipe().unwrap();
        let process = command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
        // The command keeps the pipe's other end open otherwise.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        wait_for(output, ready);
        Self { dir, port, process, signal }
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }
}

fn wait_for(output: impl Read + Send + 'static, ready: &str) {
    let mut said = BufReader::new(output).lines().map_while(Result::ok);
    let mut before = vec![];
    let is_ready = said.by_ref().any(|line| {
        before.push(line);
        before.last().is_some_and(|line| line.contains(ready))
    });
    assert!(is_ready, "the server ended instead of listening: {}", before.join("\n"));
    // It must not be held up by words that nobody reads.
    std::thread::spawn(move || said.for_each(drop));
}

impl Drop for Server {
    fn drop(&mut self) {
        let asked = Command::new("kill").args([self.signal, &self.process.id().to_string()]).status();
        if asked.is_ok_and(|status| status.success()) {
            let _reaped = self.process.wait();
        }
    }
}

/// A port that nobody has. Taken and given back: nobody else is told this number meanwhile.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a program is; if it is nowhere, the test is noted as skipped.
pub(crate) fn program(test: &str, name: &str) -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    places.push("/usr/sbin".into());
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = places.iter().map(|place| place.join(name)).find(|path| path.is_file());
    if found.is_none() {
        let why = format!("`{name}` is not installed");
        eprintln!("skipped: {test}: {why}");
        if let Some(skips) = env::var_os("LARDER_TEST_SKIPS") {
            let mut file = File::options().append(true).create(true).open(skips).unwrap();
            file.write_all(format!("{test}\t{why}\n").as_bytes()).unwrap();
        }
    }
    found
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A program that refuses to run as root runs as another user: in a namespace where that is another name of the user who runs the tests.
pub(crate) fn as_user(user: &str, program: &Path) -> Command {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with(&format!("{user}:"))).unwrap();
    let fields: Vec<&str> = line.split(':').collect();
    let mut command = Command::new("unshare");
    command.arg("--user").arg(format!("--map-user={}", fields[2])).arg(format!("--map-group={}", fields[3]));
    command.arg(program).current_dir("/");
    command
}
