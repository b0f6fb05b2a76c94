//! Plans: the sizes of a service.

use serde::Serialize;
use serde_json::Value;

/// A size of a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    name: String,
    description: String,
    free: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provision_deadline_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_attempts_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
}

impl Plan {
    /// A free plan without parameters, with the usual bounds. Its name has 1 to 63 of a-z, 0-9 and '-'.
    #[must_use]
    pub fn new(name: &str, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            free: true,
            parameters: None,
            provision_deadline_s: None,
            failed_attempts_max: None,
            engine: None,
        }
    }

    /// Takes parameters of the developer's, an object that fits this JSON Schema.
    #[must_use]
    pub fn parameters(self, schema: Value) -> Self {
        Self { parameters: Some(schema), ..self }
    }

    /// Says whether it costs nothing.
    #[must_use]
    pub fn free(self, free: bool) -> Self {
        Self { free, ..self }
    }

    /// Bounds how long provisioning may take, 1 to 86,400 seconds. It is 900 by default.
    #[must_use]
    pub fn provision_deadline_s(self, seconds: u32) -> Self {
        Self { provision_deadline_s: Some(seconds), ..self }
    }

    /// So many traps or limits in a row end in `error`, 1 to 20. It is 3 by default.
    #[must_use]
    pub fn failed_attempts_max(self, attempts: u32) -> Self {
        Self { failed_attempts_max: Some(attempts), ..self }
    }

    /// Says which Docker engines will do for its addons: those with all of these labels, like `disk=ssd,zone=a`, as operators give
    /// them. Any will do unless it says so.
    #[must_use]
    pub fn engine(self, wish: &str) -> Self {
        Self { engine: Some(wish.to_owned()), ..self }
    }
}
