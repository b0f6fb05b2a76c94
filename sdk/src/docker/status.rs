//! How an object is doing.

use std::time::Duration;

use serde::Deserialize;

use super::Error;
use crate::{Failure, HealthStatus, Progress};

/// How long to wait before an object is looked at again that is being made. The host comes earlier when it has started.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How an object is doing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Status {
    /// It is being made.
    Waiting {
        /// What the host does or what stands in its way, for people.
        message: String,
    },
    /// A container's process runs, or a volume is there.
    Running {
        /// Where its ports can be reached.
        endpoints: Vec<Endpoint>,
    },
    /// The container's process has ended.
    Exited {
        /// With which code; 128 and the signal if by one.
        code: i64,
        /// Whether it used up its memory.
        out_of_memory: bool,
        /// Its last lines.
        log: String,
    },
    /// It can't be made.
    Failed {
        /// Why, for people.
        reason: String,
    },
    /// Something that this SDK does not know.
    #[serde(other)]
    Unknown,
}

/// Where a port of a container can be reached by the provider itself; for an app, ask [`Endpoint::for_app`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Endpoint {
    /// The port in the container.
    pub port: u16,
    /// A name or an address.
    pub host: String,
    /// The port there.
    pub published: u16,
}

impl Endpoint {
    /// Where the addon's app reaches it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn for_app(&self) -> Result<(String, u16), Error> {
        super::for_app(&self.host, self.published)
    }
}

impl Status {
    pub(super) fn read(document: &str) -> Result<Self, Error> {
        serde_json::from_str(document).map_err(|error| Error::Unavailable(format!("the host's answer: {error}")))
    }

    /// Where a port of a running container can be reached. What to answer if it does not run: see [`Status::running`].
    ///
    /// # Errors
    /// It does not run, or has no such port.
    pub fn endpoint(self, port: u16) -> Result<Endpoint, NotRunning> {
        let found = self.running()?.into_iter().find(|endpoint| endpoint.port == port);
        found.ok_or_else(|| NotRunning::Failed(Failure::failed(format!("the port {port} is not published"))))
    }

    /// Where the ports of a running container can be reached; none for a volume that is there. What to answer otherwise: to be
    /// asked again while it is being made, a failure if it can't be or has ended.
    ///
    /// # Errors
    /// It does not run, or is not there.
    pub fn running(self) -> Result<Vec<Endpoint>, NotRunning> {
        match self {
            Self::Running { endpoints } => Ok(endpoints),
            Self::Waiting { message } => Err(NotRunning::Yet(message)),
            Self::Unknown => Err(NotRunning::Yet("in a state that this provider does not know".to_owned())),
            Self::Exited { out_of_memory: true, log, .. } => Err(ended("the server used up its memory", &log)),
            Self::Exited { code, log, .. } => Err(ended(&format!("the server ended with code {code}"), &log)),
            Self::Failed { reason } => Err(NotRunning::Failed(Failure::failed(reason))),
        }
    }
}

/// A failure with a container's last words, if it had any.
fn ended(how: &str, log: &str) -> NotRunning {
    let words = if log.trim().is_empty() { "and said nothing".to_owned() } else { format!("it said: {log}") };
    NotRunning::Failed(Failure::failed(format!("{how}; {words}")))
}

/// Why a container can't be reached.
#[derive(Debug)]
pub enum NotRunning {
    /// It is being made: what the host does.
    Yet(String),
    /// It will not run.
    Failed(Failure),
}

impl NotRunning {
    /// What `provision_complete` answers then.
    ///
    /// # Errors
    /// The failure, if it will not run.
    pub fn into_progress(self) -> Result<Progress, Failure> {
        match self {
            Self::Yet(message) => Ok(Progress::pending(AGAIN_AFTER, &message)),
            Self::Failed(failure) => Err(failure),
        }
    }

    /// What `end_rotation` answers then: the host starts it again, so it is worth waiting for.
    #[must_use]
    pub fn into_patience(self) -> Progress {
        match self {
            Self::Yet(message) => Progress::pending(AGAIN_AFTER, message),
            Self::Failed(failure) => Progress::pending(AGAIN_AFTER, failure.to_string()),
        }
    }

    /// What `check_health` answers then.
    ///
    /// # Errors
    /// The host could not tell how it is doing.
    pub fn into_health(self) -> Result<HealthStatus, Failure> {
        match self {
            Self::Yet(message) => Ok(HealthStatus::Unhealthy(format!("it does not run: {message}"))),
            Self::Failed(failure @ Failure::Retry(..)) => Err(failure),
            Self::Failed(failure) => Ok(HealthStatus::Unhealthy(failure.to_string())),
        }
    }
}

impl From<Failure> for NotRunning {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for NotRunning {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<NotRunning> for Failure {
    fn from(why: NotRunning) -> Self {
        match why {
            NotRunning::Yet(message) => Self::retry_after(AGAIN_AFTER, message),
            NotRunning::Failed(failure) => failure,
        }
    }
}
