//! Requests: what a provider asks its operator for.

use serde::Serialize;

/// A capability that a provider asks for. The operator may allow less.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    capability: String,
    value: String,
    required: bool,
    reason: String,
}

impl Request {
    /// A capability without which the provider is useless.
    #[must_use]
    pub fn required(capability: &str, value: &str, reason: &str) -> Self {
        let [capability, value, reason] = [capability, value, reason].map(str::to_owned);
        Self { capability, value, required: true, reason }
    }

    /// A capability that the provider can do without.
    #[must_use]
    pub fn optional(capability: &str, value: &str, reason: &str) -> Self {
        Self { required: false, ..Self::required(capability, value, reason) }
    }
}
