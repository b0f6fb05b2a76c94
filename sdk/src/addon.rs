//! What the getters of an [`Addon`] give as JSON or as a list, in a provider's own types.

use serde::de::DeserializeOwned;

use crate::{Addon, Failure, json};

impl Addon {
    /// The developer's parameters as a type of the provider's own.
    ///
    /// # Errors
    /// A [`Failure::Rejected`] that says where they don't fit. The host has checked them against the plan's schema, so
    /// this happens only where the type asks for more.
    pub fn parameters<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        json::read(&self.parameters_json()).map_err(|misfit| Failure::rejected(misfit.in_full("parameters")))
    }

    /// During an update, the parameters that it has had so far.
    ///
    /// # Errors
    /// A [`Failure::Rejected`] that says where they don't fit.
    pub fn previous_parameters<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        let read = |previous: String| {
            json::read(&previous).map_err(|misfit| Failure::rejected(misfit.in_full("previous parameters")))
        };
        self.previous_parameters_json().map(read).transpose()
    }

    /// One entry of what the communal server's `get_config` gave as credentials. All of them: [`Addon::server_config`].
    #[must_use]
    pub fn server_value(&self, key: &str) -> Option<String> {
        let mut entries = self.server_config().into_iter();
        entries.find(|entry| entry.key == key).map(|entry| entry.value)
    }
}
