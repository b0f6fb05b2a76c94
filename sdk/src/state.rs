//! A small store of the addon's own, encrypted at rest. Writes are stored together with the call's typed answer; a trap
//! discards those since the last [`checkpoint`].

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::larder::host::state as host;
use crate::json;

/// Why the state could not be read or written. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The key is empty or longer than this many bytes.
    BadKey(u32),
    /// All keys and values together would be longer than this many bytes.
    Full(u32),
    /// The addon was deleted or taken over during the call. Return soon: the answer will not be used.
    Superseded,
    /// The host could not reach its own store. Worth a retry.
    Unavailable(String),
    /// What is stored under the key is not what was asked for.
    NotThat(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadKey(bytes) => write!(f, "a key of the state has 1 to {bytes} bytes"),
            Self::Full(bytes) => write!(f, "the state of one addon has at most {bytes} bytes"),
            Self::Superseded => f.write_str("the addon was deleted or taken over during the call"),
            Self::Unavailable(reason) => write!(f, "the state could not be reached: {reason}"),
            Self::NotThat(reason) => {
                write!(f, "the state is not what was asked for: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::BadKey(bytes) => Self::BadKey(bytes),
            host::Error::Full(bytes) => Self::Full(bytes),
            host::Error::Superseded => Self::Superseded,
            host::Error::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

/// The value of a key, if it has one.
///
/// # Errors
/// See [`Error`].
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    Ok(host::get(key)?)
}

/// The value of a key that was given a text.
///
/// # Errors
/// See [`Error`].
pub fn get_text(key: &str) -> Result<Option<String>, Error> {
    let text = |bytes| String::from_utf8(bytes).map_err(|_| Error::NotThat(format!("{key}: not text")));
    get(key)?.map(text).transpose()
}

/// Gives a key a value: bytes or a text.
///
/// # Errors
/// See [`Error`].
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
    Ok(host::set(key, value.as_ref())?)
}

/// The value of a key that [`set_json`] gave it.
///
/// # Errors
/// See [`Error`].
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Error> {
    let value = |text: String| json::read(&text).map_err(|misfit| Error::NotThat(misfit.place(key)));
    get_text(key)?.map(value).transpose()
}

/// Gives a key a value that can be written as JSON.
///
/// # Errors
/// See [`Error`].
pub fn set_json(key: &str, value: &impl Serialize) -> Result<(), Error> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::NotThat(error.to_string()))?;
    set(key, bytes)
}

/// Forgets a key.
///
/// # Errors
/// See [`Error`].
pub fn delete(key: &str) -> Result<(), Error> {
    Ok(host::delete(key)?)
}

/// All keys that have a value, in order.
///
/// # Errors
/// See [`Error`].
pub fn keys() -> Result<Vec<String>, Error> {
    Ok(host::keys()?)
}

/// Stores the writes so far, whatever becomes of this call. Do this before a side effect that must not be made twice.
///
/// # Errors
/// See [`Error`].
pub fn checkpoint() -> Result<(), Error> {
    Ok(host::checkpoint()?)
}
