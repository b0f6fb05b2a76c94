//! What the developer asked for.

use serde::de::DeserializeOwned;

use crate::{Addon, Failure};

impl Addon {
    /// The parameters as a type of the provider's own.
    ///
    /// # Errors
    /// A [`Failure::Rejected`] that says which one does not fit, for what the plan's schema let through.
    pub fn parameters<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.parameters_json())
            .map_err(|error| Failure::rejected(format!("the parameters do not fit: {error}")))
    }
}
