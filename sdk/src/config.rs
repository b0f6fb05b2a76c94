//! What an app needs to use its resource.

use crate::bindings;

/// Variables for the app's environment, and credentials in parts. Names of variables must be declared in the manifest.
#[derive(Debug, Clone, Default)]
pub struct Config {
    variables: Vec<bindings::Variable>,
    credentials: Vec<bindings::Credential>,
}

impl Config {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable that anybody may see.
    #[must_use]
    pub fn variable(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_variable(name.into(), value.into(), false)
    }

    /// Adds a variable that people and logs see as dots.
    #[must_use]
    pub fn secret(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_variable(name.into(), value.into(), true)
    }

    /// Adds a credential that anybody may see. Standard keys: `uri`, `protocol`, `hostname`, `port`, `username`,
    /// `password`, `database`.
    #[must_use]
    pub fn credential(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_credential(key.into(), value.into(), false)
    }

    /// Adds a credential that people and logs see as dots.
    #[must_use]
    pub fn secret_credential(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_credential(key.into(), value.into(), true)
    }

    fn with_variable(mut self, name: String, value: String, secret: bool) -> Self {
        self.variables.push(bindings::Variable { name, value, secret });
        self
    }

    fn with_credential(mut self, key: String, value: String, secret: bool) -> Self {
        self.credentials.push(bindings::Credential { key, value, secret });
        self
    }
}

impl From<Config> for bindings::Config {
    fn from(config: Config) -> Self {
        Self { variables: config.variables, credentials: config.credentials }
    }
}
