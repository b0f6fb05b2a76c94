//! What an addon has on a Docker engine. Say what it is to have ([`Container`], [`Volume`]), and ask how that is doing
//! ([`inspect`]): the host makes it so, and keeps it so. Needs grants of the capability `docker`, for which the manifest asks.
//!
//! ```ignore
//! docker::ensure(Volume::new("data"))?;
//! docker::ensure(Container::new("server", "redis:7").memory_mib(128).mount("data", "/data").port(6379))?;
//! ```
//!
//! What is ensured and removed counts once the call has answered, so the first look comes in the next call.

mod command;
mod container;
mod status;

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Failure;
use crate::bindings::larder::host::docker as host;

pub use command::{Command, Output};
pub use container::Container;
pub use status::{Endpoint, NotRunning, Status};

/// How long to wait before the host is asked again that could not reach its engine.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// A directory that outlives containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume(String);

impl Volume {
    /// A volume of that name among the addon's objects.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// Something that an addon can have.
pub trait Object {
    /// Its document.
    fn document(self) -> Value;
}

impl Object for Volume {
    fn document(self) -> Value {
        json!({ "kind": "volume", "name": self.0 })
    }
}

impl Object for Container {
    fn document(self) -> Value {
        self.into_document()
    }
}

/// Why something was not done. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The document describes nothing that could be made; why.
    Invalid(String),
    /// No grant permits it. The addon's history says which one is missing.
    Denied(String),
    /// There is no object of that name, or it is in no state for this; why.
    Unfit(String),
    /// The addon was deleted or taken over meanwhile: the answer will not be used.
    Superseded,
    /// The host could not reach its store or the engine.
    Unavailable(String),
}

/// The addon is to have this. An object of that name that differs takes this form; a container is made anew for it.
///
/// # Errors
/// See [`Error`].
pub fn ensure(object: impl Object) -> Result<(), Error> {
    Ok(host::ensure(&object.document().to_string())?)
}

/// The addon is not to have an object of that name.
///
/// # Errors
/// See [`Error`].
pub fn remove(name: &str) -> Result<(), Error> {
    Ok(host::remove(name)?)
}

/// How an object is doing.
///
/// # Errors
/// See [`Error`].
pub fn inspect(name: &str) -> Result<Status, Error> {
    Status::read(&host::inspect(name)?)
}

/// Where the addon's app is to connect to reach what the provider reaches at a host and a port: ask for each place before it is handed
/// to an app. It is another one if the app's own containers are in a network that the addon's containers have joined.
///
/// # Errors
/// See [`Error`].
pub fn for_app(host: &str, port: u16) -> Result<(String, u16), Error> {
    let host::Place { host, port } = host::for_app(&host::Place { host: host.to_owned(), port })?;
    Ok((host, port))
}

/// Runs a command in a running container and waits for its end.
///
/// # Errors
/// See [`Error`].
pub fn exec(container: &str, command: Command) -> Result<Output, Error> {
    let (document, stdin) = command.into_parts();
    let host::ExecOutput { code, stdout, stderr, truncated } = host::exec(container, &document.to_string(), &stdin)?;
    Ok(Output { code, stdout, stderr, truncated })
}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Invalid(why) => Self::Invalid(why),
            host::Error::Denied(what) => Self::Denied(what),
            host::Error::Unfit(why) => Self::Unfit(why),
            host::Error::Superseded => Self::Superseded,
            host::Error::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "the engine can't make this: {why}"),
            Self::Denied(what) => f.write_str(what),
            Self::Unfit(why) | Self::Unavailable(why) => f.write_str(why),
            Self::Superseded => f.write_str("the addon was deleted or taken over meanwhile"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        match error {
            Error::Superseded | Error::Unavailable(_) => Self::retry_after(AGAIN_AFTER, reason),
            Error::Invalid(_) | Error::Denied(_) | Error::Unfit(_) => Self::failed(reason),
        }
    }
}
