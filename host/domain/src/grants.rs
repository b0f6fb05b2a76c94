//! Grants: what an operator lets a provider do, and what of it a version asks for. One text form for both, checked here; what a
//! capability means by it is that capability's own ([`crate::network`], [`crate::docker`]).

use crate::addon::named;
use crate::manifest::{Manifest, Request};
use crate::time::WallTime;
use crate::{docker, network};

/// How many grants a provider may have.
pub const GRANTS_MAX: usize = 64;

named! {
    /// Something that the host can let a provider do.
    Capability {
        /// Reach a destination.
        Network = "network",
        /// Have objects on a Docker engine.
        Docker = "docker",
    }
}

/// One thing that is asked for, or granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// To reach this destination.
    Network(network::Grant),
    /// To have these objects.
    Docker(docker::Grant),
}

/// Something that a component was kept from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Which capability would be needed.
    pub capability: Capability,
    /// What it wanted: a destination, a name's addresses, an image.
    pub wanted: String,
    /// What an operator would have to grant. None if the component's manifest does not ask for it, so that no grant helps.
    pub missing: Option<String>,
}

/// A text that names nothing that can be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    /// No such capability here.
    #[error("this host has no capability {0:?}; it has \"network\" and \"docker\"")]
    Unknown(String),
    /// Its value can't be read.
    #[error("{value:?} is no destination: {error}")]
    Network {
        /// What was given.
        value: String,
        /// What is wrong with it.
        error: network::GrantError,
    },
    /// Its value can't be read.
    #[error("{value:?} grants nothing of Docker: {error}")]
    Docker {
        /// What was given.
        value: String,
        /// What is wrong with it.
        error: docker::GrantError,
    },
}

impl Permission {
    /// Reads a capability and its value.
    ///
    /// # Errors
    /// [`PermissionError`].
    pub fn parse(capability: &str, value: &str) -> Result<Self, PermissionError> {
        match Capability::from_name(capability) {
            Some(Capability::Network) => {
                let grant = value.parse().map_err(|error| PermissionError::Network { value: value.to_owned(), error });
                grant.map(Self::Network)
            }
            Some(Capability::Docker) => {
                let grant = value.parse().map_err(|error| PermissionError::Docker { value: value.to_owned(), error });
                grant.map(Self::Docker)
            }
            None => Err(PermissionError::Unknown(capability.to_owned())),
        }
    }

    /// Which capability.
    #[must_use]
    pub const fn capability(&self) -> Capability {
        match self {
            Self::Network(_) => Capability::Network,
            Self::Docker(_) => Capability::Docker,
        }
    }

    /// Its value, in its canonical form.
    #[must_use]
    pub fn value(&self) -> String {
        match self {
            Self::Network(grant) => grant.to_string(),
            Self::Docker(grant) => grant.to_string(),
        }
    }
}

impl Permission {
    /// Whether everything that `other` permits is permitted by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Network(ours), Self::Network(theirs)) => ours.covers(theirs),
            (Self::Docker(ours), Self::Docker(theirs)) => ours.covers(theirs),
            _ => false,
        }
    }

    const fn network(&self) -> Option<&network::Grant> {
        match self {
            Self::Network(grant) => Some(grant),
            Self::Docker(_) => None,
        }
    }

    const fn docker(&self) -> Option<&docker::Grant> {
        match self {
            Self::Docker(grant) => Some(grant),
            Self::Network(_) => None,
        }
    }
}

/// A grant as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Which capability.
    pub capability: String,
    /// How far it goes.
    pub value: String,
    /// Since when.
    pub granted_at: WallTime,
}

impl Granted {
    /// The permission; none if this host doesn't understand it any more.
    #[must_use]
    pub fn permission(&self) -> Option<Permission> {
        Permission::parse(&self.capability, &self.value).ok()
    }
}

/// What a version asks for, could have and does not have, required or not.
#[must_use]
pub fn missing<'a>(manifest: &'a Manifest, granted: &[Granted]) -> Vec<&'a Request> {
    // What can't be granted is not waited for; a required one was refused at upload.
    let can_be = |request: &&Request| request.permission().is_ok();
    manifest.requests.iter().filter(can_be).filter(|request| !is_granted(request, granted)).collect()
}

/// Whether all of what is asked for was granted.
#[must_use]
pub fn is_granted(request: &Request, granted: &[Granted]) -> bool {
    request.permission().is_ok_and(|asked| granted.iter().filter_map(Granted::permission).any(|g| g.covers(&asked)))
}

/// Whether a version has all that it can't do without.
#[must_use]
pub fn is_approved(manifest: &Manifest, granted: &[Granted]) -> bool {
    missing(manifest, granted).iter().all(|request| !request.required)
}

/// What a version may reach: what it asks for and was granted.
#[must_use]
pub fn network_policy(manifest: &Manifest, granted: &[Granted]) -> network::Policy {
    let destinations = |permissions: &[Permission]| {
        network::Destinations::new(permissions.iter().filter_map(Permission::network).cloned().collect())
    };
    network::Policy::new(destinations(&asked(manifest)), destinations(&given(granted)))
}

/// What a version's addons may have of a Docker engine: what it asks for and was granted.
#[must_use]
pub fn docker_policy(manifest: &Manifest, granted: &[Granted]) -> docker::Policy {
    let objects = |permissions: &[Permission]| permissions.iter().filter_map(Permission::docker).cloned().collect();
    docker::Policy::new(objects(&asked(manifest)), objects(&given(granted)))
}

fn asked(manifest: &Manifest) -> Vec<Permission> {
    manifest.requests.iter().filter_map(|request| request.permission().ok()).collect()
}

fn given(granted: &[Granted]) -> Vec<Permission> {
    granted.iter().filter_map(Granted::permission).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(requests: &[(&str, bool)]) -> Manifest {
        let requests: Vec<_> = requests
            .iter()
            .map(|(value, required)| json!({ "capability": "network", "value": value, "required": required, "reason": "r" }))
            .collect();
        let plan = json!({ "name": "p", "description": "p" });
        let service = json!({ "name": "s", "description": "s", "variables": ["S"], "plans": [plan] });
        let text =
            json!({ "version": "1", "description": "d", "services": [service], "requests": requests }).to_string();
        Manifest::parse(&text).unwrap()
    }

    fn granted(value: &str) -> Granted {
        Granted { capability: "network".into(), value: value.into(), granted_at: WallTime::default() }
    }

    #[test]
    fn a_version_waits_for_what_it_requires() {
        let asks = manifest(&[("https://a.example", true), ("https://b.example", false)]);
        assert!(!is_approved(&asks, &[]));
        assert!(!is_approved(&asks, &[granted("https://b.example")]));
        assert!(is_approved(&asks, &[granted("https://*.a.example"), granted("https://a.example")]));
        let values: Vec<&str> = missing(&asks, &[granted("https://a.example")]).iter().map(|r| &*r.value).collect();
        assert_eq!(values, ["https://b.example"]);
        assert!(is_approved(&manifest(&[]), &[]));
    }

    #[test]
    fn only_what_was_asked_for_and_granted_is_permitted() {
        let policy = network_policy(
            &manifest(&[("https://a.example", true)]),
            &[granted("https://a.example"), granted("https://b.example")],
        );
        assert!(policy.permits_name(network::Scheme::Https, "a.example", 443));
        assert!(!policy.permits_name(network::Scheme::Https, "b.example", 443));
    }

    #[test]
    fn what_can_not_be_read_is_said_to_be_so() {
        assert!(matches!(Permission::parse("disk", "x"), Err(PermissionError::Unknown(_))));
        let error = Permission::parse("network", "db:5432").unwrap_err().to_string();
        assert!(error.contains("\"db:5432\"") && error.contains("tcp://"), "{error}");
    }
}
