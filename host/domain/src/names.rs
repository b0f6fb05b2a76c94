//! Names that people choose. One grammar for all, `[a-z0-9][a-z0-9-]{0,62}`, which is safe in paths, in
//! URLs, as a host name and as a container's name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 63;

/// A text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {what}: use 1 to 63 of a-z, 0-9 and '-', not beginning with '-'{hint}")]
pub struct NameError {
    what: &'static str,
    found: String,
    hint: &'static str,
}

impl NameError {
    fn new(what: &'static str, found: &str, hint: &'static str) -> Self {
        // A hostile name may be megabytes long; the message need not be.
        Self { what, found: found.chars().take(80).collect(), hint }
    }
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=NAME_BYTES_MAX).contains(&bytes.len())
        && bytes[0] != b'-'
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// What engines take for a name, with a bound of our own.
fn is_network(text: &str) -> bool {
    let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.as_bytes().iter().all(is_fine)
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $hint:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.to_owned())) } else { Err(NameError::new($what, text, $hint)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a provider.
    ProviderName, "a provider's name", "", is_label
}
name! {
    /// The name of a service that a provider offers.
    ServiceName, "a service's name", "", is_label
}
name! {
    /// The name of one of a service's plans.
    PlanName, "a plan's name", "", is_label
}
name! {
    /// The name of an addon, unique among an app's live addons.
    AddonName, "an addon's name", "", is_label
}
name! {
    /// The name of a Docker engine among those of an installation.
    EngineName, "an engine's name", "", is_label
}
name! {
    /// The name of a node among those that share a store.
    NodeName, "a node's name", "", is_label
}
name! {
    /// The key or the value of an engine's label.
    LabelText, "the key or the value of a label", "", is_label
}
name! {
    /// The name of a network on a Docker engine, which somebody else has made.
    NetworkName, "a network's name", ", and '_', '.' or capitals if it has them", is_network
}
name! {
    /// The name of an app, or of an experiment as `app.experiment`.
    AppName, "an app's name", "; an experiment is named app.experiment",
    |text| {
        let mut labels = text.split('.');
        labels.by_ref().take(2).all(is_label) && labels.next().is_none()
    }
}

impl NodeName {
    /// The only node of an installation that can have no more.
    #[must_use]
    pub fn only() -> Self {
        Self("local".to_owned())
    }
}

impl From<&ServiceName> for AddonName {
    /// An addon is named after its service unless somebody names it otherwise. Both have one grammar.
    fn from(service: &ServiceName) -> Self {
        Self(service.0.clone())
    }
}
