//! What was done to providers, and to the installation.

use larder_domain::ProviderName;
use larder_domain::audit::AuditEntry;
use serde::Serialize;
use serde_json::Value;

use crate::time::Timestamp;

/// One entry.
#[derive(Serialize)]
struct AuditEntryView<'a> {
    id: u64,
    at: Timestamp,
    actor: &'static str,
    action: &'static str,
    provider: Option<&'a str>,
    data: &'a Value,
}

/// A page of them, the newest first.
#[derive(Serialize)]
pub(crate) struct AuditView<'a> {
    entries: Vec<AuditEntryView<'a>>,
    /// To be sent as `before` for the next page; none on the last.
    next: Option<u64>,
}

impl<'a> AuditView<'a> {
    /// A page, and where the next one goes on.
    pub(crate) fn new(entries: &'a [AuditEntry], next: Option<u64>) -> Self {
        let view = |entry: &'a AuditEntry| AuditEntryView {
            id: entry.id,
            at: entry.at.into(),
            actor: entry.actor.as_str(),
            action: entry.action.as_str(),
            provider: entry.provider.as_ref().map(ProviderName::as_str),
            data: &entry.data,
        };
        Self { entries: entries.iter().map(view).collect(), next }
    }
}
