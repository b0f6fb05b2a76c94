//! The half of an addon that transitions read and write, and what the store keeps about it in the same row.

use larder_domain::addon::{AddonError, Patience};
use larder_domain::{Addon, AddonId, AddonState, AppName, Cleanup, ProviderName, StoreTime};

use crate::sqlite::error::{Failure, Result};
use crate::sqlite::rows::{Columns, Values};
use crate::sqlite::tx::Tx;

/// The columns of [`Progress`], in the order in which [`Progress::read`] takes them.
macro_rules! progress_columns {
    () => {
        "id, app, provider, attached, entries, log_lines, log_bytes, kept_since, state, begin_intended, begun, message, percent, attempts, \
         attempts_max, host_faults, waited_ms, limit_ms, since, expected_ms, cleanup, cleanup_attempts, cleanup_error, error_code, \
         error_reason, delete_wanted"
    };
}
pub(super) use progress_columns;

/// How far an addon has come, with the store's own notes.
#[derive(Debug, Clone)]
pub(in crate::sqlite) struct Progress {
    pub(in crate::sqlite) addon: Addon,
    pub(in crate::sqlite) app: Option<AppName>,
    pub(in crate::sqlite) provider: ProviderName,
    /// Whether the app sees its variables.
    pub(super) attached: bool,
    /// Lines of history so far.
    pub(super) entries: u64,
    /// Lines and bytes in its log now.
    pub(super) log_lines: u64,
    pub(super) log_bytes: u64,
    /// Since when nothing is left to do for it.
    pub(super) kept_since: Option<StoreTime>,
}

impl Progress {
    /// Of an addon that is not stored yet.
    pub(super) fn new(addon: Addon, app: Option<AppName>, provider: ProviderName) -> Self {
        let (entries, log_lines, log_bytes) = (0, 0, 0);
        Self { addon, app, provider, attached: false, entries, log_lines, log_bytes, kept_since: None }
    }

    pub(in crate::sqlite) fn load(tx: &Tx<'_>, id: AddonId) -> Result<Option<Self>> {
        tx.find(concat!("SELECT ", progress_columns!(), " FROM addon WHERE id = ?"), [id.0.as_bytes()], Self::read)
    }

    pub(super) fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        let id = AddonId(row.uuid()?);
        Ok(Self {
            app: row.parsed_or_null("an app's name")?,
            provider: row.parsed("a provider's name")?,
            attached: row.take()?,
            entries: row.take()?,
            log_lines: row.take()?,
            log_bytes: row.take()?,
            kept_since: row.take::<Option<u64>>()?.map(StoreTime),
            addon: read_addon(row, id)?,
        })
    }

    /// Writes the row after a transition. The columns that indexes stand on are left out where nothing changed
    /// in them, since SQLite would take an index entry out and put the same one in again.
    pub(super) fn save(&mut self, tx: &Tx<'_>, before: &Self) -> Result<()> {
        self.kept_since = match (is_finished(&self.addon), before.kept_since) {
            (true, None) => Some(tx.now),
            (true, since) => since,
            (false, _) => None,
        };
        let is_turn = self.addon.state != before.addon.state
            || self.addon.delete_wanted != before.addon.delete_wanted
            || self.attached != before.attached
            || self.kept_since != before.kept_since;
        let mut values = Values::of(tx.prepare(if is_turn { SAVE_TURN } else { SAVE })?);
        bind_progress(&mut values, self)?;
        values.put(tx.wall.0)?;
        if is_turn {
            let error = self.addon.error.as_ref();
            values.put(self.addon.state.as_str())?.put(self.addon.delete_wanted)?;
            values.put(error.map(|e| &e.code))?.put(error.map(|e| &e.reason))?;
            values.put(self.attached)?.put(self.kept_since.map(|t| t.0))?;
        }
        values.put(self.addon.id.0.as_bytes())?;
        values.execute()?;
        Ok(())
    }
}

macro_rules! save {
    ($more:literal) => {
        concat!(
            "UPDATE addon SET entries = ?, log_lines = ?, log_bytes = ?, begin_intended = ?, begun = ?, message = ?, percent = ?, \
             attempts = ?, host_faults = ?, waited_ms = ?, limit_ms = ?, since = ?, expected_ms = ?, cleanup = ?, \
             cleanup_attempts = ?, cleanup_error = ?, updated_at = ?",
            $more,
            " WHERE id = ?"
        )
    };
}
const SAVE: &str = save!("");
const SAVE_TURN: &str =
    save!(", state = ?, delete_wanted = ?, error_code = ?, error_reason = ?, attached = ?, kept_since = ?");

pub(super) fn bind_progress(values: &mut Values<'_>, progress: &Progress) -> Result<()> {
    let addon = &progress.addon;
    let (attempts, last_error) = match &addon.cleanup {
        Cleanup::Failing { attempts, last_error } => (*attempts, Some(last_error)),
        _ => (0, None),
    };
    values.put(progress.entries)?.put(progress.log_lines)?.put(progress.log_bytes)?;
    values.put(addon.begin_intended)?.put(addon.begun)?.put(&addon.message)?.put(addon.percent)?;
    values.put(addon.attempts)?.put(addon.host_faults)?;
    let Patience { waited_ms, limit_ms, since, expected_ms } = addon.patience;
    values.put(waited_ms)?.put(limit_ms)?.put(since.0)?.put(expected_ms)?;
    values.put(addon.cleanup.as_str())?.put(attempts)?.put(last_error)?;
    Ok(())
}

fn read_addon(row: &mut Columns<'_, '_>, id: AddonId) -> Result<Addon> {
    Ok(Addon {
        id,
        state: row.named("an addon's state", AddonState::from_name)?,
        begin_intended: row.take()?,
        begun: row.take()?,
        message: row.take()?,
        percent: row.take()?,
        attempts: row.take()?,
        attempts_max: row.take()?,
        host_faults: row.take()?,
        patience: Patience {
            waited_ms: row.take()?,
            limit_ms: row.take()?,
            since: row.time()?,
            expected_ms: row.take()?,
        },
        cleanup: read_cleanup(row)?,
        error: read_error(row)?,
        delete_wanted: row.take()?,
    })
}

fn read_cleanup(row: &mut Columns<'_, '_>) -> Result<Cleanup> {
    let name: String = row.take()?;
    let (attempts, last_error) = (row.take()?, row.take::<Option<String>>()?);
    match name.as_str() {
        "none" => Ok(Cleanup::None),
        "pending" => Ok(Cleanup::Pending),
        "done" => Ok(Cleanup::Done),
        "failing" => Ok(Cleanup::Failing { attempts, last_error: last_error.unwrap_or_default() }),
        _ => Err(Failure::corrupt(format!("a cleanup {name:?}"))),
    }
}

fn read_error(row: &mut Columns<'_, '_>) -> Result<Option<AddonError>> {
    let (code, reason) = (row.take::<Option<String>>()?, row.take::<Option<String>>()?);
    Ok(code.map(|code| AddonError { code, reason: reason.unwrap_or_default() }))
}

/// Whether nothing is left to do for an addon: neither for its user nor for its provider.
const fn is_finished(addon: &Addon) -> bool {
    addon.state.is_terminal() && !addon.cleanup.is_due()
}
