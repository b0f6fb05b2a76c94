//! What the API is told when it starts. Every bound on what a client may take stands here or beside the code that keeps it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use crate::auth::Tokens;
use crate::hosts::AllowedHosts;

/// How the API works.
#[derive(Debug)]
pub struct ApiConfig {
    pub(crate) tokens: Tokens,
    pub(crate) hosts: AllowedHosts,
    pub(crate) uploads: UploadLimits,
    pub(crate) streams: StreamLimits,
    pub(crate) requests: RequestLimits,
    pub(crate) stopped: Option<watch::Receiver<bool>>,
}

impl ApiConfig {
    /// A server that listens on `listen` and may also be called by the names in `extra_hosts`.
    #[must_use]
    pub fn new(tokens: Tokens, listen: SocketAddr, extra_hosts: Vec<String>) -> Self {
        Self {
            tokens,
            hosts: AllowedHosts::new(listen.ip(), extra_hosts),
            uploads: UploadLimits::default(),
            streams: StreamLimits::default(),
            requests: RequestLimits::default(),
            stopped: None,
        }
    }

    /// The same with event streams that end once this turns true, so that none holds up a shutdown.
    #[must_use]
    pub fn stopped_by(self, stopped: watch::Receiver<bool>) -> Self {
        Self { stopped: Some(stopped), ..self }
    }

    /// The same with other bounds for uploads.
    #[must_use]
    pub fn with_uploads(self, uploads: UploadLimits) -> Self {
        Self { uploads, ..self }
    }

    /// The same with other bounds for requests at once.
    #[must_use]
    pub fn with_requests(self, requests: RequestLimits) -> Self {
        Self { requests, ..self }
    }

    /// The same with other bounds for event streams.
    #[must_use]
    pub fn with_streams(self, streams: StreamLimits) -> Self {
        Self { streams, ..self }
    }
}

/// What uploads may take.
#[derive(Debug, Clone)]
pub struct UploadLimits {
    /// The largest component, in bytes.
    pub bytes_max: usize,
    /// Where they are received; it must be there.
    pub folder: PathBuf,
    /// How many are received at once; each may take `bytes_max` of the folder's disk.
    pub at_once_max: usize,
    /// How many more may wait for their turn; nothing of them is read meanwhile.
    pub waiting_max: usize,
    /// How long one waits for its turn.
    pub turn_wait: Duration,
    /// How long a client may be silent.
    pub chunk_wait: Duration,
    /// How long one may take as a whole.
    pub whole_wait: Duration,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            bytes_max: 32 * 1024 * 1024,
            folder: std::env::temp_dir(),
            at_once_max: 16,
            waiting_max: 64,
            turn_wait: Duration::from_secs(30),
            chunk_wait: Duration::from_secs(30),
            whole_wait: Duration::from_secs(600),
        }
    }
}

/// What event streams may take.
#[derive(Debug, Clone)]
pub struct StreamLimits {
    /// How many may be open at once.
    pub at_once_max: usize,
    /// How often a silent stream shows that it is alive.
    pub keep_alive: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { at_once_max: 512, keep_alive: Duration::from_secs(15) }
    }
}

/// How many requests are carried out at once.
#[derive(Debug, Clone)]
pub struct RequestLimits {
    /// Those that only read.
    pub reads: LaneLimits,
    /// Those that write.
    pub writes: LaneLimits,
    /// Those that ask engines or providers.
    pub slow: LaneLimits,
}

/// How many requests of a kind there may be.
#[derive(Debug, Clone)]
pub struct LaneLimits {
    /// How many are carried out at once.
    pub at_once_max: usize,
    /// How many more may wait for their turn.
    pub waiting_max: usize,
    /// How long one waits for its turn.
    pub wait: Duration,
    /// How long the answer to one that is turned away is kept back, so that whoever tries again at once takes no more time of the
    /// server than that.
    pub refusal_wait: Duration,
    /// How many such answers are kept back at once; beyond, they are given without a wait.
    pub refusals_waiting_max: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        let lane = |at_once_max, waiting_max, wait_ms| LaneLimits {
            at_once_max,
            waiting_max,
            wait: Duration::from_millis(wait_ms),
            refusal_wait: Duration::from_millis(250),
            refusals_waiting_max: 512,
        };
        // As many writes as make a commit worth its wait for the disk; more make each wait longer and none come sooner.
        Self { reads: lane(128, 256, 500), writes: lane(64, 192, 500), slow: lane(32, 64, 2_000) }
    }
}
