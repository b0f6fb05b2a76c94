//! The one reading of host names: what a guest, a manifest and an operator write means the same to all.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The longest name, in bytes (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// The host part of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name: lower case, without a dot at its end.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// A text that names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Empty, or a label of it is.
    #[error("the host name is empty or has an empty part")]
    Empty,
    /// Too long.
    #[error(
        "the host name or a part of it is too long; {NAME_BYTES_MAX} bytes and {LABEL_BYTES_MAX} for a part are allowed"
    )]
    TooLong,
    /// A character that no host name has.
    #[error("host names have letters, digits, '-', '_' and '.'; write others in their ASCII form (xn--…)")]
    Character,
    /// An address in a form that programs read differently.
    #[error("addresses are written as four decimal numbers, like 192.0.2.1, or in brackets, like [2001:db8::1]")]
    Number,
    /// An IPv6 address with a zone, which only has a meaning on one machine.
    #[error("an address with a zone (%…) can't be used")]
    Zone,
}

impl Host {
    /// Reads a host as URLs have it: IPv6 addresses in brackets.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::Number)?;
            if inner.contains('%') {
                return Err(HostError::Zone);
            }
            return inner.parse::<Ipv6Addr>().map(|v6| Self::Address(v6.into())).map_err(|_| HostError::Number);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > NAME_BYTES_MAX || name.split('.').any(|label| label.len() > LABEL_BYTES_MAX) {
            return Err(HostError::TooLong);
        }
        if name.split('.').any(str::is_empty) {
            return Err(HostError::Empty);
        }
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
            return Err(HostError::Character);
        }
        match name.parse() {
            Ok(v4) => Ok(Self::Address(IpAddr::V4(v4))),
            Err(_) if ends_in_a_number(name) => Err(HostError::Number),
            Err(_) => Ok(Self::Name(name.to_ascii_lowercase())),
        }
    }
}

/// Names whose last part is a number are read as addresses by some resolvers: `127.1`, `0x7f.0.0.1`, `2130706433`, `0177.0.0.1` (URL
/// standard, "ends in a number").
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_hex = last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || (is_hex && last.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit()))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}
