//! How an object is doing, as its provider may ask.

use serde::Serialize;

use super::LocalName;
use crate::ids::AddonId;

/// How an object is doing. Serialised as the document that the guest gets; more fields and states may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Status {
    /// It is wanted, and the host is about to make it: a pull may take minutes.
    Waiting {
        /// What the host does or what stands in its way, for people.
        message: String,
    },
    /// The container's process runs, or the volume is there.
    Running {
        /// Where its ports can be reached.
        endpoints: Vec<Published>,
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
}

impl Status {
    /// The document.
    #[must_use]
    pub fn to_document(&self) -> String {
        // A plain enum of texts and numbers can always be written.
        serde_json::to_value(self).map(|value| value.to_string()).unwrap_or_default()
    }
}

/// Where a port of a container can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The port in the container.
    pub port: u16,
    /// The host's name or address, for whoever uses the service; the provider itself connects there as well.
    pub host: String,
    /// The port there.
    pub published: u16,
}

/// By which name an addon's container is known in the networks of apps. It says whose it is, so it is another's in none of them.
#[must_use]
pub fn name_in_networks(addon: AddonId, object: &LocalName) -> String {
    format!("{object}.{}", names_in_networks(addon))
}

/// What the names of all of an addon's containers end in, in the networks of apps.
#[must_use]
pub fn names_in_networks(addon: AddonId) -> String {
    format!("{}.larder", addon.0.simple())
}
