//! Lines of histories and logs.

use larder_domain::history::StoredEntry;
use larder_domain::ports::store::StoredLog;
use serde_json::{Value, json};

use crate::time::rfc3339;

/// A line of history.
pub(crate) fn event(entry: &StoredEntry) -> Value {
    json!({
        "id": entry.id,
        "seq": entry.seq,
        "addon": entry.addon,
        "at": rfc3339(entry.at),
        "kind": entry.kind,
        "message": entry.message,
        "data": entry.data,
    })
}

/// A line of a log.
pub(crate) fn log_line(line: &StoredLog) -> Value {
    json!({ "id": line.id, "at": rfc3339(line.at), "stream": line.stream, "text": line.text })
}
