//! Reading JSON into typed values, with errors that say where.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Where and why a document doesn't fit a type.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// Such as `.plan.size`; empty for the document itself.
    path: String,
    /// May quote the document.
    reason: String,
}

impl Misfit {
    fn new(path: String, reason: impl Display) -> Self {
        let reason = reason.to_string();
        Self { path, reason }
    }

    /// For those who wrote the document.
    pub(crate) fn in_full(&self, document: &str) -> String {
        format!("{document}{}: {}", self.path, self.reason)
    }

    /// For anybody: says where, and quotes nothing.
    pub(crate) fn place(&self, document: &str) -> String {
        format!("{document}{}: not what this provider reads", self.path)
    }
}

/// Reads a document as a `T`.
pub(crate) fn read<T: DeserializeOwned>(document: &str) -> Result<T, Misfit> {
    let top = |error| Misfit::new(String::new(), error);
    let value: Value = serde_json::from_str(document).map_err(top)?;
    convert(value)
}

/// The same for a document that was parsed already. Its errors count no lines in a text that nobody has seen.
pub(crate) fn convert<T: DeserializeOwned>(value: Value) -> Result<T, Misfit> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            top if top == "." => String::new(),
            path => format!(".{path}"),
        };
        Misfit::new(path, error.inner())
    })
}

#[cfg(test)]
mod tests;
