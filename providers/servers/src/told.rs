//! What a common server says of itself, to those who get a part of it.

use larder_sdk::{Addon, Failure};

/// One of the credentials that the common server's `get_config` gave.
///
/// # Errors
/// It gave none of that name.
pub fn told(addon: &Addon, key: &str) -> Result<String, Failure> {
    let told = addon.server_value(key);
    told.ok_or_else(|| Failure::failed(format!("the common server does not tell its {key}")))
}

/// The same for a port.
///
/// # Errors
/// It gave none of that name, or it is no port.
pub fn told_port(addon: &Addon, key: &str) -> Result<u16, Failure> {
    let no_number = |_| Failure::failed(format!("the common server's {key} is no number"));
    told(addon, key)?.parse().map_err(no_number)
}
