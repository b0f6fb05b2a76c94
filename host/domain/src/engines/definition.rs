//! What is said of an engine that is added while servers run. What it has to be is asked of whoever makes engines.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::secret::{SecretJson, SecretString};

/// All that may be said.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineDefinition {
    /// `unix:///path` or `tcp://host:port`.
    pub url: String,
    /// The name or address by which what it publishes is reached.
    pub advertise: Option<String>,
    /// Its own address at which ports are published.
    pub publish_at: Option<String>,
    /// The ports that its containers may be given, `FIRST-LAST`.
    pub ports: Option<String>,
    /// What may be wished for.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How many addons it takes beside those of other engines.
    pub weight: Option<u32>,
    /// Whether it may be spoken to without TLS on another machine.
    #[serde(default)]
    pub insecure: bool,
    /// How both prove who they are.
    pub tls: Option<EngineTls>,
}

/// Texts in PEM.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineTls {
    /// The authority that signed the engine's certificate.
    pub ca: SecretString,
    /// This installation's certificate.
    pub cert: SecretString,
    /// The key that belongs to it.
    pub key: SecretString,
}

/// What can't be understood. It repeats nothing of what was said, which may be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoDefinition {
    /// A key that is not known or is missing, in words.
    #[error("{0}")]
    Key(String),
    /// A value.
    #[error(
        "a value is of another type than it has to be: `url`, `advertise`, `publish_at` and `ports` are texts, `labels` texts by their \
         names, `weight` is a number, `insecure` true or false, and `tls` has the texts `ca`, `cert` and `key`"
    )]
    Type,
}

impl EngineDefinition {
    /// Reads what was said, strictly.
    ///
    /// # Errors
    /// What can't be understood.
    pub fn read(said: &SecretJson) -> Result<Self, NoDefinition> {
        Self::deserialize(said.reveal()).map_err(|error| {
            let why = error.to_string();
            // Errors about values name them.
            match why.starts_with("unknown field") || why.starts_with("missing field") {
                true => NoDefinition::Key(why),
                false => NoDefinition::Type,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_is_read_strictly_and_no_value_is_repeated() {
        let read = |said| EngineDefinition::read(&SecretJson::from(said));
        let tls = json!({ "ca": "a", "cert": "b", "key": "swordfish" });
        let said = json!({ "url": "tcp://a:1", "labels": { "disk": "ssd" }, "weight": 2, "tls": tls });
        let definition = read(said).unwrap();
        assert_eq!((definition.url.as_str(), definition.weight, definition.insecure), ("tcp://a:1", Some(2), false));
        assert!(!format!("{definition:?}").contains("swordfish"));
        for (wrong, expected) in [
            (json!({}), "missing field `url`"),
            (json!({ "url": "a", "port": 1 }), "unknown field `port`"),
            (json!({ "url": "a", "tls": { "ca": "a", "cert": "b" } }), "missing field `key`"),
            (json!({ "url": "a", "tls": "swordfish" }), "a value is of another type"),
            (json!({ "url": "a", "weight": "swordfish" }), "`weight` is a number"),
            (json!("swordfish"), "a value is of another type"),
        ] {
            let told = read(wrong).unwrap_err().to_string();
            assert!(told.contains(expected) && !told.contains("swordfish"), "{told}");
        }
    }
}
