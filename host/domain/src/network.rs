//! What a component may reach over the network: data and two questions, apart from whatever opens connections.
//!
//! *Theory.* A component asks for destinations in its manifest, an operator grants some, and it may reach what both lists hold.
//! A destination is asked about twice: by the name that the guest used ([`Policy::permits_name`]), and by each address that the
//! name turned out to have ([`Policy::permits_address`]). An address of the public internet is fine once the name was; any other
//! (loopback, private networks, a cloud's metadata) must be granted by address, so that no name server can point
//! a granted name at the host's own neighbourhood. Nothing granted means nothing permitted.
//!
//! What can go wrong is nearly always that two parts read one text differently. So there is one grammar ([`Grant`]), one reading of
//! host names ([`Host`]), one canonical form of addresses ([`canonical`]), and ports are always compared.

mod address;
mod grant;
mod host;

use std::net::SocketAddr;

pub use address::{canonical, is_public};
pub use grant::{Grant, GrantError, Scheme};
pub use host::{Host, HostError};

use crate::grants::{Capability, Denied};

/// The most destinations in one list.
pub const GRANTS_MAX: usize = 64;

/// A list of destinations, as asked for or as granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destinations(Vec<Grant>);

impl Destinations {
    /// Takes a list.
    #[must_use]
    pub fn new(grants: Vec<Grant>) -> Self {
        Self(grants)
    }

    /// Whether everything that `other` permits is permitted here.
    #[must_use]
    pub fn covers(&self, other: &Grant) -> bool {
        self.0.iter().any(|grant| grant.covers(other))
    }

    fn has_name(&self, scheme: Scheme, name: &str, port: u16) -> bool {
        self.0.iter().any(|grant| grant.permits_name(scheme, name, port))
    }

    fn has_address(&self, scheme: Scheme, address: SocketAddr) -> bool {
        self.0.iter().any(|grant| grant.permits_address(scheme, address))
    }

    fn resolves(&self, name: &str) -> bool {
        self.0.iter().any(|grant| grant.may_resolve(name))
    }
}

/// What one component may reach: what it asked for and was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    asked: Destinations,
    granted: Destinations,
    handed_out: Vec<Endpoint>,
}

/// A place that the host itself has handed out: a port of a container that it made for the addon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where.
    pub host: Host,
    /// At which port.
    pub port: u16,
}

impl Policy {
    /// Permits what is in both lists.
    #[must_use]
    pub fn new(asked: Destinations, granted: Destinations) -> Self {
        Self { asked, granted, handed_out: vec![] }
    }

    /// The same, and what the host itself has handed out, which needs no grant.
    #[must_use]
    pub fn with(&self, handed_out: Vec<Endpoint>) -> Self {
        Self { handed_out, ..self.clone() }
    }

    fn has_handed_out(&self, name: &str, port: u16) -> bool {
        self.handed_out.iter().any(|own| own.port == port && matches!(&own.host, Host::Name(own) if own == name))
    }

    /// What is to be told of a destination that was refused.
    #[must_use]
    pub fn denied(&self, wanted: String) -> Denied {
        let is_asked = wanted.parse().is_ok_and(|wanted| self.asked.covers(&wanted));
        Denied { capability: Capability::Network, missing: is_asked.then(|| wanted.clone()), wanted }
    }

    /// What is to be told of a name that was not looked up.
    #[must_use]
    pub fn denied_lookup(&self, name: &str) -> Denied {
        let asked = self.asked.0.iter().find(|grant| grant.may_resolve(name));
        let (wanted, missing) = (format!("the address of {name}"), asked.map(Grant::to_string));
        Denied { capability: Capability::Network, wanted, missing }
    }

    /// Whether a connection to a host of this name may be tried. Its addresses are still to be asked about.
    #[must_use]
    pub fn permits_name(&self, scheme: Scheme, name: &str, port: u16) -> bool {
        let is_granted = self.granted.has_name(scheme, name, port) && self.asked.has_name(scheme, name, port);
        is_granted || self.has_handed_out(name, port)
    }

    /// Whether the name may be looked up, for a connection of any kind.
    #[must_use]
    pub fn permits_lookup(&self, name: &str) -> bool {
        let is_handed_out = || self.handed_out.iter().any(|own| matches!(&own.host, Host::Name(own) if own == name));
        (self.granted.resolves(name) && self.asked.resolves(name)) || is_handed_out()
    }

    /// Whether an address that was given as such, or is not of the public internet, may be connected to.
    #[must_use]
    pub fn permits_address(&self, scheme: Scheme, address: SocketAddr) -> bool {
        let handed_out = |own: &Endpoint| own.host == Host::Address(address.ip()) && own.port == address.port();
        (self.granted.has_address(scheme, address) && self.asked.has_address(scheme, address))
            || self.handed_out.iter().any(handed_out)
    }

    /// Whether an address that a permitted name was found to have may be connected to. Where the host's own names lead is the
    /// operator's business.
    #[must_use]
    pub fn permits_resolved(&self, scheme: Scheme, name: &str, address: SocketAddr) -> bool {
        let is_fine = is_public(canonical(address.ip())) || self.permits_address(scheme, address);
        is_fine || self.has_handed_out(name, address.port())
    }
}

#[cfg(test)]
mod tests;
