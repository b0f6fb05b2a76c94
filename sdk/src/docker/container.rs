//! A container, said step by step. What is not said is left out of the document, and the host's defaults hold.

use serde_json::{Map, Value, json};

const MIB: u64 = 1024 * 1024;

/// A running process.
#[derive(Debug, Clone, PartialEq)]
pub struct Container(Map<String, Value>);

impl Container {
    /// A container of that name among the addon's objects, with 128 MiB of memory.
    #[must_use]
    pub fn new(name: &str, image: &str) -> Self {
        Self(Map::new()).set("kind", "container").set("name", name).set("image", image).memory_mib(128)
    }

    /// Words for the image's own program.
    #[must_use]
    pub fn command<W: Into<String>>(self, words: impl IntoIterator<Item = W>) -> Self {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        self.set("command", words)
    }

    /// A program in the place of the image's own, with its first words.
    #[must_use]
    pub fn entrypoint<W: Into<String>>(self, words: impl IntoIterator<Item = W>) -> Self {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        self.set("entrypoint", words)
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(self, name: &str, value: &str) -> Self {
        self.insert("env", name, value)
    }

    /// Who runs in it: `uid`, `uid:gid` or a name that the image knows.
    #[must_use]
    pub fn user(self, user: &str) -> Self {
        self.set("user", user)
    }

    /// The most memory.
    #[must_use]
    pub fn memory_mib(self, mib: u64) -> Self {
        self.set("memory_bytes", mib.saturating_mul(MIB))
    }

    /// The most CPU, in thousandths of one.
    #[must_use]
    pub fn cpu_millis(self, millis: u32) -> Self {
        self.set("cpu_millis", millis)
    }

    /// The most processes and threads.
    #[must_use]
    pub fn pids(self, pids: u32) -> Self {
        self.set("pids", pids)
    }

    /// A volume of the same addon at a path.
    #[must_use]
    pub fn mount(self, volume: &str, path: &str) -> Self {
        self.push("mounts", json!({ "volume": volume, "path": path }))
    }

    /// A directory in memory.
    #[must_use]
    pub fn tmpfs(self, path: &str, mib: u64) -> Self {
        self.push("tmpfs", json!({ "path": path, "bytes": mib.saturating_mul(MIB) }))
    }

    /// A port that can be reached from outside, at a place that [`super::inspect`] tells.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.push("ports", json!(port))
    }

    /// A power of root that it keeps: `CHOWN`, `FOWNER`, `SETUID`, `SETGID` or `DAC_OVERRIDE`.
    #[must_use]
    pub fn capability(self, name: &str) -> Self {
        self.push("capabilities", json!(name))
    }

    /// Nothing but volumes and tmpfs can be written.
    #[must_use]
    pub fn read_only(self) -> Self {
        self.set("read_only", true)
    }

    /// How long it has to stop by itself, in seconds.
    #[must_use]
    pub fn stop_s(self, seconds: u32) -> Self {
        self.set("stop_s", seconds)
    }

    pub(super) fn into_document(self) -> Value {
        Value::Object(self.0)
    }

    fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    fn insert(mut self, field: &str, key: &str, value: &str) -> Self {
        if let Value::Object(entries) = self.0.entry(field).or_insert_with(|| json!({})) {
            entries.insert(key.to_owned(), value.into());
        }
        self
    }

    fn push(mut self, field: &str, value: Value) -> Self {
        if let Value::Array(values) = self.0.entry(field).or_insert_with(|| json!([])) {
            values.push(value);
        }
        self
    }
}
