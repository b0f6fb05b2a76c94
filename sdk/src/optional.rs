//! The optional interfaces. A provider implements those that it has, and names them in [`crate::export!`].

use std::fmt;

use serde_json::json;

use crate::docker::{Container, Object as _};
use crate::{Addon, Failure, Progress, Provider};

/// Another plan or other parameters for a ready addon. If any of it fails, the host brings back the state and the objects that the
/// addon had before.
pub trait Update: Provider {
    /// Starts to change the resource into what the addon's plan and parameters say by now; `addon.previous_plan()` and
    /// `addon.previous_parameters_json()` say what they were. Then `provision_complete` is asked until it is done, and `get_config`.
    fn begin_update(addon: &Addon) -> Result<String, Failure>;
}

/// New credentials for a ready addon.
pub trait Rotation: Provider {
    /// Makes the credentials of `addon.generation()` work beside the old ones. Then `provision_complete` is asked until it is
    /// done, and `get_config` for the new ones.
    fn begin_rotation(addon: &Addon) -> Result<String, Failure>;

    /// Ends the credentials of all generations before `addon.generation()`. Called again, it must succeed.
    fn end_rotation(addon: &Addon) -> Result<Progress, Failure>;
}

/// An addon's data as a stream.
pub trait Transfer: Provider {
    /// By what the data are read: a container whose standard output is the export.
    fn begin_export(addon: &Addon) -> Result<Stream, Failure>;

    /// By what data are taken in: a container that reads them on its standard input, in the form in which an export gives them.
    fn begin_import(addon: &Addon) -> Result<Stream, Failure>;
}

/// Whether a ready addon works.
pub trait Health: Provider {
    /// Looks whether it works, as its user would. An error means that nobody can say.
    fn check_health(addon: &Addon) -> Result<HealthStatus, Failure>;
}

/// How an addon does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthStatus {
    /// It works.
    Healthy,
    /// It does not; why, for people.
    Unhealthy(String),
}

/// What came of using it: whatever went wrong is why it does not work.
impl<E: fmt::Display> From<Result<(), E>> for HealthStatus {
    fn from(used: Result<(), E>) -> Self {
        used.map_or_else(|why| Self::Unhealthy(why.to_string()), |()| Self::Healthy)
    }
}

/// Where the data of a transfer come from or go: a program in a container that lives as long as they flow. It has no ports; it
/// may mount the addon's volumes, and reaches the addon's own containers by their names.
#[derive(Debug, Clone)]
pub struct Stream {
    container: Container,
    beside: Option<String>,
    content_type: String,
    extension: String,
    end: String,
}

impl Stream {
    /// How the server that an addon is a part of is called where the addon's program runs, if that server is in a container.
    pub const SERVER: &str = "server";

    /// A container's standard output, or its standard input.
    #[must_use]
    pub fn through(container: Container) -> Self {
        let (content_type, extension) = ("application/octet-stream".to_owned(), "bin".to_owned());
        Self { container, beside: None, content_type, extension, end: String::new() }
    }

    /// What the data are, as a media type and as the end of a file's name (without a dot).
    #[must_use]
    pub fn of_type(mut self, content_type: impl Into<String>, extension: impl Into<String>) -> Self {
        (self.content_type, self.extension) = (content_type.into(), extension.into());
        self
    }

    /// Which of the addon's containers shares its network: there, that container is `localhost`, and goes by its name. Unless it is
    /// said, the first one of the addon's own. An addon without any reaches the first one of the server that it is a part of as
    /// [`Stream::SERVER`], from outside like any other client of it.
    #[must_use]
    pub fn beside(mut self, container: impl Into<String>) -> Self {
        self.beside = Some(container.into());
        self
    }

    /// What the host writes after an import's data once all of them have come, at most 256 bytes. Without it, a program can't tell the
    /// whole from what broke off: both end.
    #[must_use]
    pub fn ended_by(mut self, end: impl Into<String>) -> Self {
        self.end = end.into();
        self
    }

    pub(crate) fn into_json(self) -> String {
        let Self { container, beside, content_type, extension, end } = self;
        let container = container.document();
        let mut document = json!({ "container": container, "content_type": content_type, "extension": extension });
        if !end.is_empty() {
            document["end"] = end.into();
        }
        if let Some(beside) = beside {
            document["beside"] = beside.into();
        }
        document.to_string()
    }
}
