//! Secrets of the addon and of the operator.

use serde::de::DeserializeOwned;

use crate::Failure;
use crate::bindings::larder::host::secrets;

/// A password of `length` characters (1 to 256) from `[A-Za-z0-9]`. The same name and generation give the same password in every
/// call and after every crash; another addon gets another one. Count `generation` up to rotate.
///
/// # Errors
/// A bad name or length.
pub fn password(name: &str, generation: u32, length: u32) -> Result<String, Failure> {
    secrets::password(name, generation, length).map_err(|error| match error {
        secrets::Error::BadName(bytes) => {
            Failure::failed(format!("a secret's name has 1 to {bytes} bytes"))
        }
        secrets::Error::BadLength(chars) => {
            Failure::failed(format!("a password has 1 to {chars} characters"))
        }
    })
}

/// The operator's options as a type of the provider's own. They may hold secrets: never log them.
///
/// # Errors
/// Which one does not fit.
pub fn options<T: DeserializeOwned>() -> Result<T, Failure> {
    serde_json::from_str(&secrets::options_json())
        .map_err(|error| Failure::failed(format!("the options do not fit: {error}")))
}
