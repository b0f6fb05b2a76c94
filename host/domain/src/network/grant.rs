//! The grammar of destinations, the same for what a manifest asks for and what an operator grants:
//!
//! ```text
//! destination = scheme "://" host [":" ports]
//! scheme      = "tcp" | "http" | "https"
//! host        = name | "*." name | IPv4 | "[" IPv6 "]" | IPv4 "/" bits | "[" IPv6 "]/" bits
//! ports       = port [ "-" port ]
//! ```
//!
//! `http` and `https` without ports mean 80 and 443; `tcp` must name its ports. `*.` stands for one or more labels and never for the name itself.
//! An address or range is given as such; a name is never one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::address::{Range, canonical, special_range};
use super::host::{Host, HostError};

/// The kind of connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// A socket.
    Tcp,
    /// A request in the clear.
    Http,
    /// A request over TLS.
    Https,
}

impl Scheme {
    /// As in a destination.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is meant when none is given.
    #[must_use]
    pub const fn port(self) -> Option<u16> {
        match self {
            Self::Tcp => None,
            Self::Http => Some(80),
            Self::Https => Some(443),
        }
    }
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    scheme: Scheme,
    host: Pattern,
    ports: RangeInclusive<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Name(String),
    /// Everything below this name.
    Below(String),
    /// Canonical.
    Range(Range),
}

/// A text that is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// No scheme, or an unknown one.
    #[error("a destination begins with tcp://, http:// or https://")]
    Scheme,
    /// The host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A star that is not the whole first label, or has too little behind it.
    #[error("`*` stands alone before a name of two parts or more, like *.example.com")]
    Wildcard,
    /// The ports.
    #[error("ports are numbers from 1 to 65535, or two with '-' between them; tcp:// needs them")]
    Port,
    /// The length of a range's prefix.
    #[error(
        "a range is a network's address and the number of its bits, like 10.1.0.0/16, with nothing beyond these bits"
    )]
    Range,
    /// An address that is nobody's.
    #[error("{0} is no single host's address, so nothing can be reached there")]
    Nobody(IpAddr),
    /// A path, a query or a user.
    #[error("a destination has no path, query or user; it ends after the port")]
    Rest,
}

impl Grant {
    /// The kind of connection.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether this permits a connection to a host of this name. The name must be as [`Host::parse`] gives it.
    pub(super) fn permits_name(&self, scheme: Scheme, name: &str, port: u16) -> bool {
        self.scheme == scheme && self.ports.contains(&port) && self.may_resolve(name)
    }

    /// Whether this is about a host of this name.
    pub(super) fn may_resolve(&self, name: &str) -> bool {
        match &self.host {
            Pattern::Name(granted) => granted == name,
            Pattern::Below(parent) => is_below(name, parent),
            Pattern::Range(_) => false,
        }
    }

    /// Whether this permits a connection to this address, as an address.
    pub(super) fn permits_address(&self, scheme: Scheme, address: SocketAddr) -> bool {
        let Pattern::Range(range) = &self.host else { return false };
        let ip = canonical(address.ip());
        // A range of the whole internet does not name the host's own neighbourhood: only one within that does.
        let is_named = special_range(ip).is_none_or(|special| special.covers(range));
        self.scheme == scheme && self.ports.contains(&address.port()) && range.contains(ip) && is_named
    }

    /// Whether everything that `other` permits is permitted by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let host = match (&self.host, &other.host) {
            (Pattern::Name(ours), Pattern::Name(theirs)) => ours == theirs,
            (Pattern::Below(ours), Pattern::Name(theirs)) => is_below(theirs, ours),
            (Pattern::Below(ours), Pattern::Below(theirs)) => ours == theirs || is_below(theirs, ours),
            (Pattern::Range(ours), Pattern::Range(theirs)) => {
                // The same rule as for a single address: a wide range does not name special ones within it.
                let special = special_range(theirs.network()).filter(|special| special.covers(theirs));
                ours.covers(theirs) && special.is_none_or(|special| special.covers(ours))
            }
            _ => false,
        };
        let (ours, theirs) = (&self.ports, &other.ports);
        self.scheme == other.scheme && ours.start() <= theirs.start() && theirs.end() <= ours.end() && host
    }
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).and_then(|rest| rest.strip_suffix('.')).is_some_and(|below| !below.is_empty())
}

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (scheme, rest) = text.split_once("://").ok_or(GrantError::Scheme)?;
        let scheme = match scheme {
            "tcp" => Scheme::Tcp,
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(GrantError::Scheme),
        };
        if rest.contains(['?', '#', '@', '\\']) {
            return Err(GrantError::Rest);
        }
        // The only colons in a host are in brackets.
        let after_brackets = rest.rfind(']').map_or(0, |at| at + 1);
        let (host, ports) = match rest[after_brackets..].find(':') {
            Some(at) => (&rest[..after_brackets + at], Some(&rest[after_brackets + at + 1..])),
            None => (rest, None),
        };
        let ports = match (ports, scheme.port()) {
            (Some(ports), _) => parse_ports(ports)?,
            (None, Some(port)) => port..=port,
            (None, None) => return Err(GrantError::Port),
        };
        Ok(Self { scheme, host: parse_host(host)?, ports })
    }
}

fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, GrantError> {
    let port = |text: &str| {
        // One spelling for each: no sign, no zero in front, and so no port 0.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        text.parse::<u16>().ok().filter(|_| is_plain).ok_or(GrantError::Port)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first <= last { Ok(first..=last) } else { Err(GrantError::Port) }
}

fn parse_host(text: &str) -> Result<Pattern, GrantError> {
    if let Some((network, bits)) = text.split_once('/') {
        let Ok(Host::Address(network)) = Host::parse(network) else {
            // What looks like a path is one, unless it follows an address.
            return Err(if !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit()) {
                GrantError::Range
            } else {
                GrantError::Rest
            });
        };
        let is_plain = bits == "0" || !bits.starts_with(['0', '+']);
        return range(network, bits.parse().ok().filter(|_| is_plain).ok_or(GrantError::Range)?);
    }
    if let Some(parent) = text.strip_prefix("*.") {
        return match Host::parse(parent)? {
            Host::Name(parent) if parent.contains('.') => Ok(Pattern::Below(parent)),
            _ => Err(GrantError::Wildcard),
        };
    }
    if text.contains('*') {
        return Err(GrantError::Wildcard);
    }
    match Host::parse(text)? {
        Host::Name(name) => Ok(Pattern::Name(name)),
        Host::Address(address) => range(address, Range::width(address)),
    }
}

fn range(network: IpAddr, bits: u8) -> Result<Pattern, GrantError> {
    let plain = canonical(network);
    // Ranges in a disguise would have to be translated; nobody needs them.
    if bits > Range::width(network) || (plain != network && bits != Range::width(network)) {
        return Err(GrantError::Range);
    }
    let bits = if plain == network { bits } else { Range::width(plain) };
    if bits > 0 && is_nobody(plain) {
        return Err(GrantError::Nobody(plain));
    }
    let range = Range::new(plain, bits);
    if range.is_aligned() { Ok(Pattern::Range(range)) } else { Err(GrantError::Range) }
}

/// Whether no single host has this address: a group's, or one of `0.0.0.0/8`, which some systems take for themselves.
const fn is_nobody(address: IpAddr) -> bool {
    let is_this_network = matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 0 || v4.is_broadcast());
    is_this_network || address.is_unspecified() || address.is_multicast()
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.host {
            Pattern::Name(name) => f.write_str(name)?,
            Pattern::Below(parent) => write!(f, "*.{parent}")?,
            Pattern::Range(range) => {
                Host::Address(range.network()).fmt(f)?;
                if range.bits() < Range::width(range.network()) {
                    write!(f, "/{}", range.bits())?;
                }
            }
        }
        let (first, last) = (*self.ports.start(), *self.ports.end());
        match self.scheme.port() {
            Some(port) if first == port && last == port => Ok(()),
            _ if first == last => write!(f, ":{first}"),
            _ => write!(f, ":{first}-{last}"),
        }
    }
}
