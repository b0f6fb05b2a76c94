//! A running `larder serve`.

use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Answer, until};
use super::disk::Within;
use super::{Disk, guest, prepared, run};

/// Where no engine listens.
const NO_ENGINE: &str = "unix:///nowhere/docker.sock";
/// How long a connection is kept for the next request: not as long as a host keeps it, who would not be heard hanging up while a test
/// waits for something else.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// How long a host may take to start.
const START_MAX: Duration = Duration::from_secs(30);

/// A host, stopped when dropped. Its data directory outlives restarts.
pub(crate) struct Host {
    dir: TempDir,
    /// Where it runs, if its data are on a disk of its own.
    within: Option<Within>,
    /// What it was started with beside.
    arguments: Vec<OsString>,
    child: Child,
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Host {
    /// A fresh host with an app `demo` and these guests as active providers.
    pub(crate) async fn start(providers: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        prepared::copy(providers, dir.path()).await;
        Self::over(dir)
    }

    /// A fresh host with an app `demo` and these guests, whose data are on this disk, and its log elsewhere.
    pub(crate) async fn start_on(disk: &Disk, providers: &[&str]) -> Self {
        let dir = TempDir::new_in(disk.path()).unwrap();
        prepared::copy(providers, dir.path()).await;
        disk.sync();
        let log = dir.path().join("host.log");
        let _gone = std::fs::remove_file(&log);
        std::os::unix::fs::symlink(disk.elsewhere("host.log"), log).unwrap();
        let within = disk.within(dir.path());
        Self::over_within(dir, &[], Some(within))
    }

    /// A fresh host without anything.
    pub(crate) async fn empty() -> Self {
        Self::over(TempDir::new().unwrap())
    }

    /// The same, started with these arguments beside.
    pub(crate) async fn empty_with(arguments: &[&str]) -> Self {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        Self::over_with(TempDir::new().unwrap(), &arguments)
    }

    /// A fresh host with an app `demo` and these guests, trusting these authorities too.
    pub(crate) async fn start_trusting(providers: &[&str], ca_file: &Path) -> Self {
        let dir = TempDir::new().unwrap();
        prepared::copy(providers, dir.path()).await;
        Self::over_with(dir, &["--ca-file".as_ref(), ca_file.as_os_str()])
    }

    /// A fresh host with an app `demo` and these guests, started with these arguments beside.
    pub(crate) async fn start_with(providers: &[&str], arguments: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        prepared::copy(providers, dir.path()).await;
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        Self::over_with(dir, &arguments)
    }

    /// Another node of this host's installation, with its key and its token.
    pub(crate) fn another(&self, arguments: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        for file in ["sealing.key", "admin.token"] {
            std::fs::copy(self.dir().join(file), dir.path().join(file)).unwrap();
        }
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        Self::over_with(dir, &arguments)
    }

    fn over(dir: TempDir) -> Self {
        Self::over_with(dir, &[])
    }

    fn over_with(dir: TempDir, arguments: &[&OsStr]) -> Self {
        Self::over_within(dir, arguments, None)
    }

    fn over_within(dir: TempDir, arguments: &[&OsStr], within: Option<Within>) -> Self {
        // Ignored if another test of this process was first.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let child = spawn(dir.path(), arguments, within.as_ref());
        let (url, token) = announced(dir.path());
        let arguments = arguments.iter().map(|argument| argument.to_os_string()).collect();
        let http = reqwest::Client::builder().pool_idle_timeout(IDLE_MAX).build().unwrap();
        Self { dir, within, arguments, child, url, token, http }
    }

    /// Installs these guests, and stops. Its data stays.
    pub(super) async fn prepare(providers: &[&str]) -> TempDir {
        let mut host = Self::empty().await;
        for name in providers {
            let uploaded = host.upload(name, guest(name)).await;
            // One that asks for something waits for it.
            assert_ne!(uploaded.body["state"], "refused", "{name}: {}", uploaded.body);
        }
        host.put("/v1/apps/demo", json!({})).await.expect(201);
        host.stop();
        let empty = TempDir::new().unwrap();
        std::mem::replace(&mut host.dir, empty)
    }

    /// Kills the host as a crash would, with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the host to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        assert_eq!(self.ended(), Some(0));
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for its end: the exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Starts a killed host again on the same data.
    pub(crate) fn restart(&mut self) {
        let _gone = std::fs::remove_file(self.dir.path().join("server.json"));
        self.child = spawn(self.dir.path(), &self.arguments, self.within.as_ref());
        (self.url, self.token) = announced(self.dir.path());
    }

    /// Starts a killed host again, and kills it so soon that it may not have come to anything.
    pub(crate) fn stumble(&mut self, after: Duration) {
        self.child = spawn(self.dir.path(), &self.arguments, self.within.as_ref());
        // The sender is kept: this is only the time.
        let (_keep, never) = mpsc::channel::<()>();
        let _later = never.recv_timeout(after);
        self.kill();
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A copy of a stopped host's data.
    pub(crate) fn backup(&self) -> TempDir {
        let copy = TempDir::new().unwrap();
        prepared::copy_all(self.dir(), copy.path());
        copy
    }

    /// Goes on from a copy of its data, after it was killed.
    pub(crate) fn restore(&mut self, backup: TempDir) {
        self.has_lost_all_since(backup);
        self.restart();
    }

    /// A killed host's data are those of a copy.
    pub(crate) fn has_lost_all_since(&mut self, backup: TempDir) {
        self.dir = backup;
    }

    /// The same, with other arguments beside.
    pub(crate) fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(OsString::from).collect();
        self.restart();
    }

    /// What it has written to its log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir().join("host.log")).unwrap()
    }

    /// Lets it have so many files open beside those that it has.
    pub(crate) fn limit_files(&self, more: usize) {
        let pid = self.child.id().to_string();
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() + more;
        run(Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={open}:{open}")]));
    }

    /// Where the host keeps its data.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A request with the admin token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// Uploads a component and waits until it was checked.
    pub(crate) async fn upload(&self, name: &str, wasm: Vec<u8>) -> Answer {
        let request = self.request(Method::POST, &format!("/v1/providers?name={name}"));
        Answer::of(request.header("content-type", "application/wasm").header("prefer", "wait=60").body(wasm)).await
    }

    /// Uploads a component and looks at its version until it was checked: the version, and the stages of the check that were seen. What
    /// is to be done meanwhile is done between two looks.
    pub(crate) async fn follow<F: Future<Output = ()>>(
        &self,
        name: &str,
        wasm: Vec<u8>,
        mut meanwhile: impl FnMut() -> F,
    ) -> (Value, Vec<Value>) {
        let request = self.request(Method::POST, &format!("/v1/providers?name={name}"));
        let uploaded = Answer::of(request.header("content-type", "application/wasm").body(wasm)).await;
        let location = uploaded.headers["location"].to_str().unwrap().to_owned();
        let mut stages = vec![uploaded.expect(202)["check"].clone()];
        loop {
            let version = self.get(&location).await.expect(200);
            if version["state"] != "checking" {
                return (version, stages);
            }
            if stages.last() != Some(&version["check"]) {
                stages.push(version["check"].clone());
            }
            meanwhile().await;
        }
    }

    /// Asks for an addon of the app `demo`, without waiting for it.
    pub(crate) async fn create(&self, body: Value) -> Answer {
        self.post("/v1/apps/demo/addons", body).await
    }

    /// Asks for an addon of the app `demo` and waits until it is ready or terminal.
    pub(crate) async fn create_and_wait(&self, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, "/v1/apps/demo/addons").header("prefer", "wait=60").json(&body)).await
    }

    /// Waits until an addon is ready or terminal: for minutes, as a machine may be left to others for that long.
    pub(crate) async fn settled(&self, id: &str) -> Value {
        let path = format!("/v1/addons/{id}");
        let ask = async || Answer::of(self.request(Method::GET, &path).header("prefer", "wait=60")).await.expect(200);
        let is_under_way = |addon: &Value| addon["state"] == "waiting_for_provision" || addon["state"] == "provisioned";
        let mut addon = ask().await;
        for _ in 0..3 {
            if is_under_way(&addon) {
                addon = ask().await;
            }
        }
        addon
    }

    /// Waits until the provider has removed what it made for an addon.
    pub(crate) async fn cleaned_up(&self, id: &str) {
        let done = async || {
            let addon = self.get(&format!("/v1/addons/{id}")).await.expect(200);
            (addon["cleanup"]["state"] == "done").then_some(())
        };
        until("the addon's cleanup", done).await;
    }

    /// An addon's credentials, by their keys.
    pub(crate) async fn credentials(&self, id: &str) -> Value {
        let config = self.get(&format!("/v1/addons/{id}/config")).await.expect(200);
        let pairs = config["credentials"].as_array().unwrap();
        let pair = |pair: &Value| (pair["key"].as_str().unwrap().to_owned(), pair["value"].clone());
        Value::Object(pairs.iter().map(pair).collect())
    }

    /// What the app `demo` sees.
    pub(crate) async fn variables(&self) -> Value {
        self.get("/v1/apps/demo/config").await.expect(200)["variables"].clone()
    }

    /// An addon's history, oldest first.
    pub(crate) async fn history(&self, id: &str) -> Vec<Value> {
        let body = self.get(&format!("/v1/addons/{id}/events?limit=1000")).await.expect(200);
        body["events"].as_array().unwrap().clone()
    }

    /// The calls in an addon's history, as `call outcome`.
    pub(crate) async fn calls(&self, id: &str) -> Vec<String> {
        let history = self.history(id).await;
        // The last one may be told with the error that it meant.
        let calls = history.iter().map(|event| &event["data"]).filter(|data| data["call"].is_string());
        calls.map(|data| format!("{} {}", data["call"].as_str().unwrap(), data["outcome"].as_str().unwrap())).collect()
    }

    /// Runs the command line against this host: exit code, standard output, standard error.
    pub(crate) fn cli(&self, args: &[&str]) -> (i32, String, String) {
        let dir = self.within.as_ref().map_or(self.dir(), |within| &within.dir);
        let output = larder(self.within.as_ref())
            .args(args)
            .env("LARDER_DATA_DIR", dir)
            .env_remove("LARDER_URL")
            .env_remove("LARDER_TOKEN")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Runs `larder provider` with these words, which must succeed.
    #[track_caller]
    pub(crate) fn provider(&self, words: &[&str]) {
        let (code, _, error) = self.cli(&[&["provider"], words].concat());
        assert_eq!(code, 0, "{words:?}: {error}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // One that stops in good order takes its network along, and an engine has room for few.
        let pid = self.child.id().to_string();
        let is_on_engine = self.arguments.iter().any(|argument| argument.to_string_lossy().starts_with("--engine"))
            && !self.arguments.iter().any(|argument| argument == "none");
        let is_asked = || Command::new("kill").args(["-TERM", &pid]).status().is_ok_and(|status| status.success());
        if !(is_on_engine && matches!(self.child.try_wait(), Ok(None)) && is_asked()) {
            let _gone = self.child.kill();
        }
        let _reaped = self.child.wait();
    }
}

fn larder(within: Option<&Within>) -> Command {
    let program = env!("CARGO_BIN_EXE_larder");
    within.map_or_else(|| Command::new(program), |within| within.command(program))
}

fn spawn(dir: &Path, arguments: &[impl AsRef<OsStr>], within: Option<&Within>) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("host.log")).unwrap();
    let mut larder = larder(within);
    // Not somebody's own engine, unless a test names it.
    match arguments.iter().any(|argument| argument.as_ref() == "--engines") {
        true => larder.env_remove("LARDER_ENGINE"),
        false => larder.env("LARDER_ENGINE", NO_ENGINE),
    };
    larder
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(within.map_or(dir, |within| &within.dir))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Waits for the host to say where it listens.
fn announced(dir: &Path) -> (String, String) {
    let (path, log) = (dir.join("server.json"), dir.join("host.log"));
    let deadline = std::time::Instant::now() + START_MAX;
    // The file appears by a rename, so it is whole once it is there.
    let (_keep, ticks) = mpsc::channel::<()>();
    loop {
        if let Ok(text) = std::fs::read_to_string(&path) {
            let server: Value = serde_json::from_str(&text).unwrap();
            let token = std::fs::read_to_string(dir.join("admin.token")).unwrap();
            return (server["url"].as_str().unwrap().to_owned(), token.trim().to_owned());
        }
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(std::time::Instant::now() < deadline, "the host did not start:\n{}", said());
        let _tick = ticks.recv_timeout(Duration::from_millis(10));
    }
}
