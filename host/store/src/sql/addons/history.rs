//! What happened to addons, and what their providers logged meanwhile.

use larder_domain::AddonId;
use larder_domain::history::{Entry, MILESTONES, StoredEntry};
use larder_domain::ports::runtime::LogLine;
use larder_domain::ports::store::StoredLog;

use super::progress::Progress;
use crate::sql::PAGE_ROWS_MAX;
use crate::sql::database::Conn;
use crate::sql::error::{Failure, Result};
use crate::sql::rows::Columns;
use crate::sql::tx::{Tx, list};

/// Entries of an addon from which on its oldest are dropped, and how many at a time. What became of the addon stays.
const ENTRIES_PER_ADDON_MAX: u64 = 1_024;
const ENTRIES_DROPPED_AT_ONCE: u64 = 256;
/// Lines that an addon's log keeps; the oldest go first.
const LOG_LINES_PER_ADDON_MAX: u64 = 2_000;
/// Bytes that an addon's log keeps, since lines may be long.
const LOG_BYTES_PER_ADDON_MAX: u64 = 1024 * 1024;

/// Adds an entry to an addon's history.
pub(super) fn record(tx: &mut Tx<'_>, progress: &mut Progress, entry: &Entry) -> Result<()> {
    progress.entries += 1;
    insert(tx, progress.addon.id, progress.entries, entry)?;
    if progress.entries > ENTRIES_PER_ADDON_MAX && progress.entries.is_multiple_of(ENTRIES_DROPPED_AT_ONCE) {
        let milestones = serde_json::to_string(&MILESTONES).map_err(|_| Failure::corrupt("kinds of entries"))?;
        let sql = tx.conn.either(
            "DELETE FROM history WHERE id IN (SELECT id FROM history WHERE addon = ?
                 AND kind NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?)",
            "DELETE FROM history WHERE id IN (SELECT id FROM history WHERE addon = ?
                 AND kind NOT IN (SELECT json_array_elements_text(CAST(CAST(? AS text) AS json))) ORDER BY id LIMIT ?)",
        );
        tx.write(sql, (progress.addon.id.0.as_bytes(), milestones, ENTRIES_DROPPED_AT_ONCE))?;
    }
    Ok(())
}

/// Inserts entry number `seq` of an addon.
pub(super) fn insert(tx: &mut Tx<'_>, addon: AddonId, seq: u64, entry: &Entry) -> Result<()> {
    let id = tx.next_entry();
    let data = serde_json::to_string(&entry.data).map_err(|_| Failure::corrupt("data of a history entry"))?;
    tx.write_about(
        addon,
        "INSERT INTO history (id, addon, seq, at, kind, message, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (id, addon.0.as_bytes(), seq, tx.wall.0, entry.kind, &entry.message, data),
    )?;
    Ok(())
}

pub(super) fn read(conn: &Conn, addon: Option<AddonId>, after: u64, count_max: usize) -> Result<Vec<StoredEntry>> {
    let (after, count_max) = (place(after), count_max.min(PAGE_ROWS_MAX));
    match addon {
        None => list(
            conn,
            "SELECT id, addon, seq, at, kind, message, data FROM history WHERE id > ? ORDER BY id LIMIT ?",
            (after, count_max),
            read_entry,
        ),
        Some(addon) => list(
            conn,
            "SELECT id, addon, seq, at, kind, message, data FROM history WHERE addon = ? AND id > ? ORDER BY id LIMIT ?",
            (addon.0.as_bytes(), after, count_max),
            read_entry,
        ),
    }
}

/// A place in the history or a log. SQLite's numbers end at this one, so what is behind it is nothing as well.
const fn place(after: u64) -> u64 {
    if after > i64::MAX as u64 { i64::MAX as u64 } else { after }
}

fn read_entry(row: &mut Columns<'_>) -> Result<StoredEntry> {
    let (id, addon, seq, at) = (row.take()?, AddonId(row.uuid()?), row.take()?, row.wall()?);
    let (kind, message, data) = (row.take()?, row.take()?, row.take::<String>()?);
    let data = serde_json::from_str(&data).map_err(|_| Failure::corrupt(format!("data of history entry {id}")))?;
    Ok(StoredEntry { id, addon, seq, at, kind, message, data })
}

/// Adds lines to an addon's log, and drops its oldest if they have become too many or too long.
pub(super) fn append(tx: &mut Tx<'_>, progress: &mut Progress, lines: &[LogLine]) -> Result<()> {
    for line in lines {
        let id = tx.next_line();
        tx.write(
            "INSERT INTO log (addon, id, at, stream, text) VALUES (?, ?, ?, ?, ?)",
            (progress.addon.id.0.as_bytes(), id, tx.wall.0, line.stream, &line.text),
        )?;
        progress.log_lines += 1;
        progress.log_bytes += line.text.len() as u64;
    }
    drop_oldest(tx, progress)
}

fn drop_oldest(tx: &Tx<'_>, progress: &mut Progress) -> Result<()> {
    let addon = progress.addon.id.0.as_bytes();
    let mut last = None;
    while progress.log_lines > LOG_LINES_PER_ADDON_MAX || progress.log_bytes > LOG_BYTES_PER_ADDON_MAX {
        let next: Option<(u64, u64)> = tx.find(
            "SELECT id, octet_length(text) FROM log WHERE addon = ? AND id > ? ORDER BY id LIMIT 1",
            (addon, last.unwrap_or(0)),
            |row| Ok((row.take()?, row.take()?)),
        )?;
        let Some((id, bytes)) = next else { break };
        last = Some(id);
        progress.log_lines = progress.log_lines.saturating_sub(1);
        progress.log_bytes = progress.log_bytes.saturating_sub(bytes);
    }
    if let Some(last) = last {
        tx.write("DELETE FROM log WHERE addon = ? AND id <= ?", (addon, last))?;
    }
    Ok(())
}

pub(super) fn read_log(conn: &Conn, addon: AddonId, after: u64, count_max: usize) -> Result<Vec<StoredLog>> {
    list(
        conn,
        "SELECT id, at, stream, text FROM log WHERE addon = ? AND id > ? ORDER BY id LIMIT ?",
        (addon.0.as_bytes(), place(after), count_max.min(PAGE_ROWS_MAX)),
        |row| Ok(StoredLog { id: row.take()?, at: row.wall()?, stream: row.take()?, text: row.take()? }),
    )
}
