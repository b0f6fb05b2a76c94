//! Configurations as tests write them, wrong ones too.

use larder_sdk::Config;
use serde::Deserialize;

/// A variable or credential of a configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    #[serde(alias = "key")]
    name: String,
    #[serde(default)]
    value: String,
    /// So many more bytes, for values that no parameters could hold.
    #[serde(default)]
    value_bytes: usize,
    #[serde(default)]
    secret: bool,
}

impl Entry {
    fn value(&self) -> String {
        format!("{}{}", self.value, "x".repeat(self.value_bytes))
    }
}

/// The configuration with these entries.
pub(crate) fn config(variables: Vec<Entry>, credentials: Vec<Entry>) -> Config {
    let config = variables.into_iter().fold(Config::new(), |config, entry| {
        let add = if entry.secret { Config::secret } else { Config::variable };
        add(config, entry.name.clone(), entry.value())
    });
    credentials.into_iter().fold(config, |config, entry| {
        let add = if entry.secret { Config::secret_credential } else { Config::credential };
        add(config, entry.name.clone(), entry.value())
    })
}
