//! A command in a container.

use serde_json::{Map, Value, json};

/// A command to run in a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    document: Map<String, Value>,
    stdin: Vec<u8>,
}

/// What a command brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code.
    pub code: i32,
    /// The beginning of its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: Vec<u8>,
    /// Whether there was more of either.
    pub truncated: bool,
}

impl Command {
    /// A program and its words. The program must be one that a grant names.
    #[must_use]
    pub fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        let mut document = Map::new();
        document.insert("command".to_owned(), json!(words));
        Self { document, stdin: vec![] }
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        if let Value::Object(entries) = self.document.entry("env").or_insert_with(|| json!({})) {
            entries.insert(name.to_owned(), value.into());
        }
        self
    }

    /// As whom it runs.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.document.insert("user".to_owned(), user.into());
        self
    }

    /// What it reads.
    #[must_use]
    pub fn stdin(self, stdin: impl Into<Vec<u8>>) -> Self {
        Self { stdin: stdin.into(), ..self }
    }

    pub(super) fn into_parts(self) -> (Value, Vec<u8>) {
        (Value::Object(self.document), self.stdin)
    }
}
