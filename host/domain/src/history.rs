//! What happened to an addon, as people read it and streams replay it.

use serde_json::{Map, Value, json};

use crate::failure::{GuestFailure, Pending, StepFailure};
use crate::ids::AddonId;
use crate::time::WallTime;
use crate::transition::Step;

/// Entries that say what became of an addon. They stay with it; of all others the oldest go, however often they come.
pub const MILESTONES: [&str; 6] =
    ["created", "provisioned", "ready", "error", "deprovisioned", "cleanup_without_provider"];

/// One line of an addon's history, before it has its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// `created`, `call`, `ready`, …
    pub kind: &'static str,
    /// For people.
    pub message: String,
    /// For programs: a JSON object.
    pub data: Value,
}

/// An entry with its place in the history.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEntry {
    /// Its place among all entries; the identifier in event streams.
    pub id: u64,
    /// Whose history it belongs to.
    pub addon: AddonId,
    /// Its place in that history, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: WallTime,
    /// `created`, `call`, `ready`, …
    pub kind: String,
    /// For people.
    pub message: String,
    /// For programs: a JSON object.
    pub data: Value,
}

impl Entry {
    /// A plain entry.
    #[must_use]
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), data: Value::Object(Map::new()) }
    }

    /// An entry with something for programs.
    #[must_use]
    pub fn with(kind: &'static str, message: impl Into<String>, data: Value) -> Self {
        Self { kind, message: message.into(), data }
    }

    /// An end, in one line with the call that it came of, if it came of one: that is one fact.
    #[must_use]
    pub fn end(kind: &'static str, reason: impl Into<String>, data: Value, call: Option<Self>) -> Self {
        let mut all = call.map_or_else(|| json!({}), |call| call.data);
        if let (Value::Object(all), Value::Object(data)) = (&mut all, data) {
            all.extend(data);
        }
        Self::with(kind, reason, all)
    }

    /// A call that went well.
    #[must_use]
    pub fn call_ok(step: Step, message: impl Into<String>) -> Self {
        Self::with("call", message, json!({ "call": step.as_str(), "outcome": "done" }))
    }

    /// A call that asked for more time.
    #[must_use]
    pub fn call_pending(step: Step, pending: &Pending) -> Self {
        let mut data = json!({ "call": step.as_str(), "outcome": "pending", "after_ms": pending.after_ms });
        if let (Some(percent), Some(data)) = (pending.percent, data.as_object_mut()) {
            data.insert("percent".into(), percent.into());
        }
        Self::with("call", pending.message.clone(), data)
    }

    /// A call that did not go well.
    #[must_use]
    pub fn call_failed(step: Step, failure: &StepFailure) -> Self {
        let (outcome, message, code) = match failure {
            StepFailure::Guest(GuestFailure::Rejected(reason)) => ("rejected", reason, None),
            StepFailure::Guest(GuestFailure::Retry { reason, .. }) => ("retry", reason, None),
            StepFailure::Guest(GuestFailure::Failed(reason)) => ("failed", reason, None),
            StepFailure::Fault(fault) => ("fault", &fault.detail, Some(fault.code.as_str())),
            StepFailure::Host(reason) => ("host_fault", reason, None),
            StepFailure::ProviderGone(reason) => ("provider_gone", reason, None),
        };
        let mut data = json!({ "call": step.as_str(), "outcome": outcome });
        if let Some(data) = data.as_object_mut() {
            if let Some(code) = code {
                data.insert("code".into(), code.into());
            }
            if let StepFailure::Guest(GuestFailure::Retry { after_ms, .. }) = failure {
                data.insert("after_ms".into(), (*after_ms).into());
            }
        }
        Self::with("call", message.clone(), data)
    }
}
