//! A way to an engine on which a test can lie in wait: requests pass unseen until one is of the kind that it waits for. That one is held,
//! before the engine has it or before whoever asked has the answer, until the other side has gone.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{Engine, until_within};

/// The longest request that is looked at.
const REQUEST_BYTES_MAX: usize = 256 * 1024;
/// How long it may take until somebody stumbles.
const STUMBLE_MAX: Duration = Duration::from_secs(60);

/// Where a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// The engine has not seen it.
    Before,
    /// The engine has done it, and nobody knows.
    After,
}

/// Whether a request is the one, by its method, its path with the query, and its body.
type Matches = Box<dyn Fn(&str, &str, &str) -> bool + Send>;

/// The wire. One request stumbles over it each time that it is stretched.
pub(crate) struct Tripwire {
    dir: TempDir,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    stretched: Option<(When, Matches)>,
    stumbled: bool,
}

impl Tripwire {
    /// Before this engine, which must be one of this machine.
    pub(crate) fn before(engine: &Engine) -> Self {
        let target = engine.endpoint().strip_prefix("unix://").unwrap();
        let wire = Self { dir: TempDir::new().unwrap(), state: Arc::default() };
        let listener = UnixListener::bind(wire.socket()).unwrap();
        let (target, state) = (PathBuf::from(target), Arc::clone(&wire.state));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (target, state) = (target.clone(), Arc::clone(&state));
                // What fails here fails for whoever asked.
                thread::spawn(move || UnixStream::connect(target).and_then(|engine| pass(client, engine, &state)));
            }
        });
        wire
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// Where the engine seems to listen.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Holds the next request that is like this.
    pub(crate) fn stretch(&self, when: When, matches: impl Fn(&str, &str, &str) -> bool + Send + 'static) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) =
            State { stretched: Some((when, Box::new(matches))), stumbled: false };
    }

    /// Waits until one is held.
    pub(crate) async fn stumbled(&self, what: &str) {
        let stumbled = async || self.state.lock().unwrap_or_else(PoisonError::into_inner).stumbled.then_some(());
        until_within(STUMBLE_MAX, what, stumbled).await;
    }
}

/// One connection, which carries one request.
fn pass(mut client: UnixStream, mut engine: UnixStream, state: &Mutex<State>) -> io::Result<()> {
    let request = read_request(&mut client)?;
    let held = held(&request, state);
    let stumbled = || state.lock().unwrap_or_else(PoisonError::into_inner).stumbled = true;
    if held == Some(When::Before) {
        stumbled();
        return wait_for_end(&mut client);
    }
    engine.write_all(&request)?;
    if held == Some(When::After) {
        // Its first line comes when it is done.
        engine.read_exact(&mut [0; 1])?;
        stumbled();
        return wait_for_end(&mut client);
    }
    let (mut from_client, mut to_engine) = (client.try_clone()?, engine.try_clone()?);
    thread::spawn(move || {
        let _broken_off = io::copy(&mut from_client, &mut to_engine);
        // A program that reads is told the end.
        to_engine.shutdown(Shutdown::Write)
    });
    let _broken_off = io::copy(&mut engine, &mut client);
    client.shutdown(Shutdown::Both)?;
    engine.shutdown(Shutdown::Both)
}

fn wait_for_end(client: &mut UnixStream) -> io::Result<()> {
    io::copy(client, &mut io::sink()).map(drop)
}

/// Where this request is to be held, if it is the one: then no other is.
fn held(request: &[u8], state: &Mutex<State>) -> Option<When> {
    let text = String::from_utf8_lossy(request);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let (when, _) = state.stretched.take_if(|(_, matches)| matches(method, path, body))?;
    Some(when)
}

/// The head and the body of a request, as they are.
fn read_request(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let (mut request, mut buffer) = (vec![], vec![0; 16 * 1024]);
    loop {
        let read = client.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..read]);
        if read == 0 || is_whole(&request) || request.len() > REQUEST_BYTES_MAX {
            return Ok(request);
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    request.len() >= end + 4 + length.unwrap_or(0)
}
