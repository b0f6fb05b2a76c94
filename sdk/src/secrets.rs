//! Secrets of the addon and of the operator.

use serde::de::DeserializeOwned;

use crate::bindings::larder::host::secrets;
use crate::{Failure, json};

/// A password of `length` characters (1 to 256) from `[A-Za-z0-9]`. The same name, generation and length give the same
/// password in every call and after every crash; another addon gets another one. Count `generation` up to rotate.
///
/// # Errors
/// A bad name or length.
pub fn password(name: &str, generation: u32, length: u32) -> Result<String, Failure> {
    secrets::password(name, generation, length).map_err(|error| match error {
        secrets::Error::BadName(bytes) => Failure::failed(format!("a secret's name has 1 to {bytes} bytes")),
        secrets::Error::BadLength(chars) => Failure::failed(format!("a password has 1 to {chars} characters")),
    })
}

/// The operator's options as a type of the provider's own. They may hold secrets: never log them.
///
/// # Errors
/// Where they don't fit. Nothing is quoted, since it may be a secret.
pub fn options<T: DeserializeOwned>() -> Result<T, Failure> {
    json::read(&secrets::options_json()).map_err(|misfit| Failure::failed(misfit.place("options")))
}
