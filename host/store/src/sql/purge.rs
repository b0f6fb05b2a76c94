//! Forgets what nobody asks for any more: addons long gone, and the memory of repeated requests. A few rows at a time, with
//! a group of jobs that is committed anyway.
//!
//! Decided by the store's own clock, so setting the time of day forward destroys nothing.

use larder_domain::AddonId;

use super::error::Result;
use super::tx::Tx;

/// How long an addon is kept once nothing is left to do for it, in milliseconds.
const ADDON_KEPT_MS: u64 = 30 * 24 * 3_600_000;
/// How long a request is recognised when it comes again, in milliseconds.
pub(super) const IDEMPOTENCY_KEPT_MS: u64 = 24 * 3_600_000;
/// Requests that are remembered at most; the oldest go first.
const IDEMPOTENCY_ROWS_MAX: u64 = 1_000_000;
/// Rows that go with one group.
const PURGE_ROWS_MAX: usize = 100;
/// How often expired rows are looked for, in milliseconds.
const PURGE_EVERY_MS: u64 = 1_000;
/// How long a failed purge rests, in milliseconds.
const PURGE_RETRY_MS: u64 = 60_000;

/// Removes expired rows. Whether that is to be kept.
pub(super) fn expired(tx: &mut Tx<'_>) -> bool {
    let purged = purge(tx);
    let pause_ms = match &purged {
        // There may be more: the next group goes on.
        Ok(rows) if *rows >= PURGE_ROWS_MAX => 0,
        Ok(_) => PURGE_EVERY_MS,
        Err(_) => PURGE_RETRY_MS,
    };
    tx.memory.purge_at = tx.now.plus_ms(pause_ms);
    purged.inspect_err(|failure| tracing::error!(error = %failure.0, "expired rows were not removed")).is_ok()
}

fn purge(tx: &Tx<'_>) -> Result<usize> {
    let mut rows = requests(tx)?;
    while rows < PURGE_ROWS_MAX
        && let Some(addon) = oldest(tx)?
    {
        rows += forget(tx, addon, PURGE_ROWS_MAX - rows)?;
    }
    Ok(rows)
}

fn requests(tx: &Tx<'_>) -> Result<usize> {
    let expired_before = (tx.now.0 + 1).saturating_sub(IDEMPOTENCY_KEPT_MS);
    let newest: u64 = tx.find("SELECT coalesce(max(id), 0) FROM idempotency", (), |row| row.take())?.unwrap_or(0);
    tx.execute(
        "DELETE FROM idempotency WHERE id IN (SELECT id FROM idempotency ORDER BY id LIMIT ?) AND (since < ? OR id <= ?)",
        (PURGE_ROWS_MAX, expired_before, newest.saturating_sub(IDEMPOTENCY_ROWS_MAX)),
    )
}

/// The addon that has been kept the longest, if that is long enough.
fn oldest(tx: &Tx<'_>) -> Result<Option<AddonId>> {
    let Some(kept_until) = tx.now.0.checked_sub(ADDON_KEPT_MS) else { return Ok(None) };
    // As long as it has objects, somebody must know on which engine they are.
    let sql = "SELECT id FROM addon WHERE kept_since <= ? AND NOT EXISTS (SELECT 1 FROM docker_object WHERE addon = id)
               ORDER BY kept_since LIMIT 1";
    tx.find(sql, [kept_until], |row| row.uuid().map(AddonId))
}

/// Removes rows of an addon, its own last.
fn forget(tx: &Tx<'_>, addon: AddonId, rows_max: usize) -> Result<usize> {
    let id = addon.0.as_bytes();
    let mut rows =
        tx.execute("DELETE FROM history WHERE id IN (SELECT id FROM history WHERE addon = ? LIMIT ?)", (id, rows_max))?;
    rows += tx.execute(
        "DELETE FROM log WHERE addon = ?1 AND id IN (SELECT id FROM log WHERE addon = ?1 LIMIT ?2)",
        (id, rows_max - rows),
    )?;
    if rows < rows_max {
        rows += tx.execute("DELETE FROM addon WHERE id = ?", [id])?;
    }
    Ok(rows)
}
