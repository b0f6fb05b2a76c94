//! A command to be run in a container, as a guest writes it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::spec::{InvalidSpec, SPEC_BYTES_MAX};
use crate::secret::SecretString;

/// Words of a command, and variables of its environment.
const PARTS_MAX: usize = 64;

/// A command: a JSON document, like objects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Its words, the program first.
    pub command: Vec<SecretString>,
    /// Its environment beside the container's.
    #[serde(default)]
    pub env: BTreeMap<String, SecretString>,
    /// As whom; as the container's own user if none.
    pub user: Option<String>,
}

impl Command {
    /// Reads and checks a guest's document.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(document: &str) -> Result<Self, InvalidSpec> {
        if document.len() > SPEC_BYTES_MAX {
            return Err(InvalidSpec(format!("a command has at most {SPEC_BYTES_MAX} bytes")));
        }
        let command: Self = serde_json::from_str(document).map_err(|error| InvalidSpec(error.to_string()))?;
        if command.command.is_empty() || command.command.len().max(command.env.len()) > PARTS_MAX {
            return Err(InvalidSpec(format!("a command has 1 to {PARTS_MAX} words, and at most so many variables")));
        }
        let texts = command.command.iter().chain(command.env.values()).map(SecretString::reveal);
        if texts.chain(command.env.keys().map(String::as_str)).any(|text| text.contains('\0')) {
            return Err(InvalidSpec("a command can't hold NUL".to_owned()));
        }
        Ok(command)
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &str {
        self.command.first().map(SecretString::reveal).unwrap_or_default()
    }
}
