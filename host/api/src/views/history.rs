//! What happened to addons, and what their providers wrote meanwhile.

use larder_domain::AddonId;
use larder_domain::history::StoredEntry;
use larder_domain::ports::store::StoredLog;
use serde::Serialize;
use serde_json::Value;

use crate::time::Timestamp;

/// One line of the history.
#[derive(Serialize)]
pub(crate) struct EventView<'a> {
    id: u64,
    seq: u64,
    addon: AddonId,
    at: Timestamp,
    kind: &'a str,
    message: &'a str,
    data: &'a Value,
}

impl<'a> From<&'a StoredEntry> for EventView<'a> {
    fn from(entry: &'a StoredEntry) -> Self {
        Self {
            id: entry.id,
            seq: entry.seq,
            addon: entry.addon,
            at: entry.at.into(),
            kind: &entry.kind,
            message: &entry.message,
            data: &entry.data,
        }
    }
}

/// A page of the history.
#[derive(Serialize)]
pub(crate) struct EventsView<'a> {
    events: Vec<EventView<'a>>,
    next: Option<u64>,
}

impl<'a> EventsView<'a> {
    pub(crate) fn new(entries: &'a [StoredEntry], next: Option<u64>) -> Self {
        Self { events: entries.iter().map(EventView::from).collect(), next }
    }
}

/// A page of an addon's log.
#[derive(Serialize)]
pub(crate) struct LogView<'a> {
    lines: Vec<LineView<'a>>,
    next: Option<u64>,
}

#[derive(Serialize)]
struct LineView<'a> {
    id: u64,
    at: Timestamp,
    stream: &'a str,
    text: &'a str,
}

impl<'a> LogView<'a> {
    pub(crate) fn new(lines: &'a [StoredLog], next: Option<u64>) -> Self {
        let view =
            |line: &'a StoredLog| LineView { id: line.id, at: line.at.into(), stream: &line.stream, text: &line.text };
        Self { lines: lines.iter().map(view).collect(), next }
    }
}
