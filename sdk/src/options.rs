//! The operator's options.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::json;

/// What the operator set for this provider: a JSON object that passed the schema in the manifest. Empty until then. May
/// hold secrets, so it can't be printed.
#[derive(Clone, PartialEq)]
pub struct Options(Value);

impl Options {
    /// Reads the options.
    ///
    /// # Errors
    /// They are not JSON.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map(Self).map_err(|error| format!("the options are not JSON: {error}"))
    }

    /// The options as a type of the provider's own.
    ///
    /// # Errors
    /// Where they don't fit. Nothing is quoted, since it may be a secret.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, String> {
        json::convert(self.0.clone()).map_err(|misfit| misfit.place("options"))
    }
}
