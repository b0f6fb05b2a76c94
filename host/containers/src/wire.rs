//! The connections of one call: as many as it makes requests, none kept for another, and each read only as far as the call's
//! allowance goes. An answer without end breaks here, before it is anything, whoever reads it above.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bollard::errors::Error;
use bollard::{BollardRequest, ClientVersion, Docker};
use http::header::{HOST, HeaderName};
use http::uri::PathAndQuery;
use http::{HeaderValue, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::endpoint::{Connection, Endpoint};

/// What is read at once, and so the longest head of an answer.
const BUFFER_BYTES: usize = 64 * 1024;
/// bollard's own bound, in seconds. Ours are around each call, and shorter.
const NEVER_S: u64 = 24 * 60 * 60;

/// The one path to which a login for a registry goes …
const PULL: &str = "/images/create";
/// … and the header that it goes in.
const LOGIN: HeaderName = HeaderName::from_static("x-registry-auth");

/// A connection could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
pub(crate) struct NotConnected(Endpoint, io::Error);

/// More came than a call reads.
#[derive(Debug, thiserror::Error)]
#[error("its answer is longer than {0} bytes")]
pub(crate) struct TooLong(u64);

/// One call's way to the engine. What it has opened is closed with it.
pub(crate) struct Session {
    /// Knows the API's words.
    pub(crate) docker: Docker,
    wire: Arc<Wire>,
}

struct Wire {
    endpoint: Endpoint,
    version: Option<ClientVersion>,
    /// What is told with a pull, and with nothing else.
    login: OnceLock<HeaderValue>,
    allowance: Arc<Allowance>,
    tasks: Mutex<JoinSet<()>>,
    answered: Notify,
}

impl Session {
    /// A session that reads `bytes_max` bytes. Requests name the API's version, if it is known.
    pub(crate) fn new(endpoint: &Endpoint, version: Option<ClientVersion>, bytes_max: u64) -> Result<Self, Error> {
        let wire = Arc::new(Wire {
            endpoint: endpoint.clone(),
            version,
            login: OnceLock::new(),
            allowance: Arc::new(Allowance { max: bytes_max, left: AtomicU64::new(bytes_max) }),
            tasks: Mutex::new(JoinSet::new()),
            answered: Notify::new(),
        });
        let theirs = Arc::clone(&wire);
        let transport = move |request| send(Arc::clone(&theirs), request);
        let version = version.unwrap_or(*bollard::API_DEFAULT_VERSION);
        let docker = Docker::connect_with_custom_transport(transport, Some("http://engine"), NEVER_S, &version)?;
        Ok(Self { docker, wire })
    }

    /// The same, presenting this to the registry that is pulled from.
    pub(crate) fn presenting(self, login: Option<HeaderValue>) -> Self {
        if let Some(login) = login {
            // Before anything is asked, and by whoever has just made the session: nobody else has set one.
            self.wire.login.get_or_init(|| login);
        }
        self
    }

    /// Allows as much again: another item of a stream has been taken.
    pub(crate) fn go_on(&self) {
        self.wire.allowance.left.store(self.wire.allowance.max, Ordering::Relaxed);
    }

    /// Ends when a request was answered well, even if the answer has only begun.
    pub(crate) async fn answered(&self) {
        self.wire.answered.notified().await;
    }
}

async fn send(wire: Arc<Wire>, request: BollardRequest) -> Result<Response<Incoming>, Error> {
    let connection =
        wire.endpoint.open().await.map_err(|error| io::Error::other(NotConnected(wire.endpoint.clone(), error)))?;
    let metered = Metered { connection, allowance: Arc::clone(&wire.allowance) };
    let (mut sender, driver) =
        http1::Builder::new().max_buf_size(BUFFER_BYTES).handshake(TokioIo::new(metered)).await?;
    {
        let mut tasks = wire.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // Whoever waits for the answer is told as well.
            let _ = driver.with_upgrades().await;
        });
    }
    let response = sender.send_request(wire.address(request)?).await?;
    if response.status().is_success() {
        wire.answered.notify_one();
    }
    Ok(response)
}

impl Wire {
    /// The request as it goes over the wire: a path that names the API's version, and whom it is for.
    fn address(&self, mut request: BollardRequest) -> Result<BollardRequest, Error> {
        let whole = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let path = without_version(whole);
        let path = self.version.map_or_else(|| path.to_owned(), |version| format!("/v{version}{path}"));
        *request.uri_mut() = path.parse::<Uri>()?;
        let host = HeaderValue::from_str(self.endpoint.host()).map_err(http::Error::from)?;
        request.headers_mut().insert(HOST, host);
        if let Some(login) = self.login.get()
            && without_version(request.uri().path()) == PULL
        {
            request.headers_mut().insert(LOGIN, login.clone());
        }
        Ok(request)
    }
}

/// A path as the API's reference has it, whatever bollard puts before it.
fn without_version(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/v").filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) else {
        return path;
    };
    rest.find('/').map_or(path, |at| &rest[at..])
}

/// How much may still be read.
struct Allowance {
    max: u64,
    left: AtomicU64,
}

/// A connection that breaks when more comes than is allowed.
struct Metered {
    connection: Pin<Box<dyn Connection>>,
    allowance: Arc<Allowance>,
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = self.allowance.left.load(Ordering::Relaxed);
        let before = buffer.filled().len();
        ready!(self.connection.as_mut().poll_read(cx, buffer))?;
        let read = (buffer.filled().len() - before) as u64;
        if read > left {
            return Poll::Ready(Err(io::Error::other(TooLong(self.allowance.max))));
        }
        self.allowance.left.fetch_sub(read, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.connection.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.as_mut().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_in_the_reference() {
        for (path, expected) in [("/v1.53/info", "/info"), ("/version", "/version"), ("/volumes/v1", "/volumes/v1")] {
            assert_eq!(without_version(path), expected);
        }
    }

    #[test]
    fn what_bollard_would_log_is_never_written() {
        assert!(log::STATIC_MAX_LEVEL <= log::LevelFilter::Info);
    }
}
