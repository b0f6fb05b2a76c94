//! A real `larder serve`, and the rows `idle` and `restart`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::guest;
use crate::parked::resident_bytes;
use crate::report::{Bound, Row};

/// How long a server may take to start before the measurement is given up.
const START_MAX: Duration = Duration::from_secs(30);
/// How often a start is measured.
const STARTS: usize = 9;

/// What Linux counts processors' time in, for whoever asks from user space, on every architecture that we know.
const TICKS_PER_SECOND: f64 = 100.0;

/// What all nodes of an installation have.
const SHARED: [&str; 2] = ["sealing.key", "admin.token"];

/// A server in a directory of its own; ended when dropped.
pub(crate) struct Server {
    dir: TempDir,
    child: Child,
    words: Vec<String>,
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Server {
    /// Starts one with the shipped providers, and waits until they are active, or wait for somebody's approval.
    pub(crate) fn start() -> Result<Self> {
        Self::start_with(&[], None)
    }

    /// The same with these options too; with the key and the token of another node's directory.
    pub(crate) fn start_with(words: &[String], like: Option<&Path>) -> Result<Self> {
        let dir = TempDir::new()?;
        for (file, like) in like.iter().flat_map(|like| SHARED.map(|file| (file, like))) {
            fs::copy(like.join(file), dir.path().join(file))?;
        }
        let child = spawn(dir.path(), "127.0.0.1:0", words)?;
        let mut server = Self { dir, child, words: words.to_vec(), url: String::new(), token: String::new() };
        let announced = server.wait_for("server.json")?;
        let announced: Value = serde_json::from_str(&announced)?;
        server.url = announced["url"].as_str().context("server.json has no url")?.to_owned();
        server.token = server.wait_for("admin.token")?.trim().to_owned();
        server.until_settled()?;
        Ok(server)
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends the server in good order; its directory stays as long as this does.
    pub(crate) fn stop(&mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        self.child.wait()?;
        Ok(())
    }

    /// The processor's time that it has used until now, in seconds: in user space and in the kernel (`proc_pid_stat(5)`, fields 14, 15).
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(')').context("no name")?.1;
        let ticks =
            after_name.split_ascii_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        Ok(ticks / TICKS_PER_SECOND)
    }

    fn wait_for(&mut self, file: &str) -> Result<String> {
        let path = self.dir.path().join(file);
        let deadline = Instant::now() + START_MAX;
        loop {
            if let Ok(text) = fs::read_to_string(&path) {
                return Ok(text);
            }
            if Instant::now() > deadline || self.child.try_wait()?.is_some() {
                bail!(
                    "the server did not start: {}",
                    fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
                );
            }
            pause(Duration::from_millis(5));
        }
    }

    /// Waits until nothing is compiled or looked at any more, which would take its share of the cores.
    fn until_settled(&self) -> Result<()> {
        let shipped = shipped()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let http = reqwest::Client::new();
            let deadline = Instant::now() + START_MAX;
            while Instant::now() < deadline {
                let url = format!("{}/v1/providers", self.url);
                let listed: Value = http.get(url).bearer_auth(&self.token).send().await?.json().await?;
                let is_settled = |provider: &Value| {
                    let state = &provider["versions"][0]["state"];
                    state == "active" || state == "waiting_for_approval"
                };
                let providers = listed["providers"].as_array().map(Vec::as_slice).unwrap_or_default();
                if providers.len() >= shipped && providers.iter().all(is_settled) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            bail!("the shipped providers were not settled")
        })
    }
}

/// How many providers lie beside the binary.
fn shipped() -> Result<usize> {
    let binary = binary()?;
    let folder = binary.parent().context("a binary without a folder")?.join("share/larder/providers");
    let files = fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))?;
    let is_component = |file: &fs::DirEntry| file.path().extension().is_some_and(|extension| extension == "wasm");
    Ok(files.filter_map(std::io::Result::ok).filter(is_component).count())
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn binary() -> Result<PathBuf> {
    std::env::var_os("LARDER_BIN").map(PathBuf::from).context("LARDER_BIN is not set: run `cargo xtask bench`")
}

fn spawn(dir: &Path, listen: &str, words: &[String]) -> Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log"))?;
    let mut command = Command::new(binary()?);
    command.args(["serve", "--listen", listen, "--data-dir"]).arg(dir).args(words).env("LARDER_LOG", "warn");
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?)
}

/// Row `idle`: what a server with the shipped providers holds in memory.
pub(crate) fn idle() -> Result<Vec<Row>> {
    let server = Server::start()?;
    pause(Duration::from_secs(2));
    let mib = resident_bytes(&server.child.id().to_string())? as f64 / 1024.0 / 1024.0;
    let note = "2 s after the last of the shipped providers was looked at".to_owned();
    Ok(vec![Row { row: "idle", value: mib, bound: Bound::AtMost(60.0), unit: "MiB resident", note }])
}

/// Row `restart`: from the second start to the first answer of `/readyz`.
pub(crate) fn restart() -> Result<Vec<Row>> {
    start_again(Server::start()?, "restart", 150.0)
}

/// Row `restart_100`: the same with that many more providers, all of them compiled before.
pub(crate) fn restart_100() -> Result<Vec<Row>> {
    const PROVIDERS: u8 = 100;
    let (server, wasm) = (Server::start()?, guest("second_secret")?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let http = reqwest::Client::new();
        for number in 0..PROVIDERS {
            // A custom section makes it another component, with code of its own.
            let wasm = [&wasm[..], &[0, 2, 1, number]].concat();
            let url = format!("{}/v1/providers?name=p{number}", server.url);
            let upload = http.post(url).bearer_auth(&server.token).header("content-type", "application/wasm");
            let version: Value = upload.header("prefer", "wait=60").body(wasm).send().await?.json().await?;
            anyhow::ensure!(version["state"] == "active", "provider {number}: {version}");
        }
        anyhow::Ok(())
    })?;
    start_again(server, "restart_100", 300.0)
}

fn start_again(mut server: Server, row: &'static str, bound_ms: f64) -> Result<Vec<Row>> {
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut times_ms = vec![];
    for _ in 0..STARTS {
        server.stop()?;
        let started = Instant::now();
        server.child = spawn(server.dir.path(), &address, &server.words)?;
        while !is_ready(&address) {
            if started.elapsed() > START_MAX {
                bail!("the server did not start again");
            }
            pause(Duration::from_millis(1));
        }
        times_ms.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times_ms.sort_by(f64::total_cmp);
    let note = format!("median of {STARTS}, the slowest {:.1} ms", times_ms[STARTS - 1]);
    Ok(vec![Row { row, value: times_ms[STARTS / 2], bound: Bound::AtMost(bound_ms), unit: "ms to /readyz", note }])
}

fn is_ready(address: &str) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(address) else {
        return false;
    };
    let mut answer = [0; 12];
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).is_ok() && stream.read_exact(&mut answer).is_ok() && answer.ends_with(b"200")
}

#[expect(clippy::disallowed_methods, reason = "a measurement has nothing else to do meanwhile")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
