//! The half of an addon that transitions read and write, and what the store keeps about it in the same row.

use larder_domain::addon::{AddonError, Patience};
use larder_domain::operation::Health;
use larder_domain::ports::StoreError;
use larder_domain::work::{Lease, Subject};
use larder_domain::{Addon, AddonId, AddonState, AppName, Cleanup, Grace, ProviderName, StoreTime, WallTime};
use serde::de::DeserializeOwned;

use crate::sql::ahead::Known;
use crate::sql::database::{Conn, Prepared};
use crate::sql::error::{Failure, Result};
use crate::sql::rows::Columns;
use crate::sql::tx::{Tx, find_each};
use crate::sql::work::plan::poked_under_lease;

/// The columns of [`Progress`], in the order in which [`Progress::read`] takes them.
macro_rules! progress_columns {
    () => {
        "id, app, provider, attached, entries, log_lines, log_bytes, kept_since, state, begin_intended, begun, message, percent, attempts, \
         attempts_max, host_faults, waited_ms, limit_ms, since, expected_ms, cleanup, cleanup_attempts, cleanup_error, error_code, \
         error_reason, delete_wanted, generation, operation, outdated, health, health_every_ms, grace_until, grace_until_at"
    };
}
pub(super) use progress_columns;

/// How far an addon has come, with the store's own notes.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sql) struct Progress {
    pub(in crate::sql) addon: Addon,
    pub(in crate::sql) app: Option<AppName>,
    pub(in crate::sql) provider: ProviderName,
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

    pub(in crate::sql) fn load(tx: &Tx<'_>, id: AddonId) -> Result<Option<Self>> {
        tx.find(concat!("SELECT ", progress_columns!(), " FROM addon WHERE id = ?"), [id.0.as_bytes()], Self::read)
    }

    /// The same, for whoever holds this lease, and whether somebody has poked since it began. Fails unless it lets its holder write; see
    /// [`plan::check_lease`].
    pub(super) fn load_under(tx: &mut Tx<'_>, lease: &Lease) -> Result<(Self, bool)> {
        let known = match tx.memory.ahead.take(lease) {
            None => Self::load_each_under(tx.conn, &[lease])?.pop().flatten(),
            // Only now and then: to ask in between hides how jobs go together that ask nothing.
            known if lease.token.0.is_multiple_of(2) => known,
            known => {
                debug_assert_eq!(known, Self::load_each_under(tx.conn, &[lease])?.pop().flatten(), "read too early");
                known
            }
        };
        match known {
            Some((progress, Some(is_poked))) => Ok((progress, is_poked)),
            _ => Err(StoreError::Fenced.into()),
        }
    }

    /// The addons of several leases.
    pub(in crate::sql) fn load_each_under(conn: &Conn, leases: &[&Lease]) -> Result<Vec<Option<Known>>> {
        let sql = concat!("SELECT ", progress_columns!(), ", ", poked_under_lease!(), " FROM addon WHERE id = ?1");
        let held = leases.iter().map(|lease| {
            let addon = match lease.subject {
                Subject::Addon(id) => Some(id.0.into_bytes()),
                _ => None,
            };
            (addon, lease.subject.to_string(), lease.kind.as_str(), lease.token.0)
        });
        find_each(conn, sql, &held.collect::<Vec<_>>(), |row| Ok((Self::read(row)?, row.take()?)))
    }

    pub(super) fn read(row: &mut Columns<'_>) -> Result<Self> {
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

    /// Writes the row after a transition, if it changed. The columns that indexes stand on are left out where nothing changed
    /// in them: SQLite would take an index entry out and put the same one in again.
    pub(super) fn save(&mut self, tx: &mut Tx<'_>, before: &Self) -> Result<()> {
        if self == before {
            return Ok(());
        }
        tx.memory.ahead.forget(self.addon.id);
        self.kept_since = match (is_finished(&self.addon), before.kept_since) {
            (true, None) => Some(tx.now),
            (true, since) => since,
            (false, _) => None,
        };
        let (phase, live) = (Phase::of(self.addon.state), !self.addon.state.is_terminal());
        let ends = live == before.addon.state.is_terminal()
            || self.kept_since != before.kept_since
            || self.addon.grace != before.addon.grace;
        let moves = ends || phase != Phase::of(before.addon.state);
        let sql = if ends {
            SAVE_END
        } else if moves {
            SAVE_PHASE
        } else {
            SAVE
        };
        let mut values = tx.conn.prepare(sql)?;
        bind_progress(&mut values, self, tx)?;
        if moves {
            values.put(phase as u8)?;
        }
        if ends {
            values.put(live)?.put(self.kept_since.map(|time| time.0))?;
            values
                .put(self.addon.grace.map(|grace| grace.until.0))?
                .put(self.addon.grace.map(|grace| grace.shown.0))?;
        }
        values.put(self.addon.id.0.as_bytes())?;
        values.write_about(self.addon.id.0.into_bytes())?;
        Ok(())
    }
}

/// What indexes know of a state. On the way to `ready` it changes once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    BeingMade = 0,
    Ready = 1,
    Deprovisioned = 2,
    Error = 3,
}

impl Phase {
    pub(super) const ALL: &[Self] = &[Self::BeingMade, Self::Ready, Self::Deprovisioned, Self::Error];

    pub(super) const fn of(state: AddonState) -> Self {
        match state {
            AddonState::WaitingForProvision | AddonState::Provisioned => Self::BeingMade,
            AddonState::Ready => Self::Ready,
            AddonState::Deprovisioned => Self::Deprovisioned,
            AddonState::Error => Self::Error,
        }
    }
}

macro_rules! save {
    ($indexed:literal) => {
        concat!(
            "UPDATE addon SET attached = ?, entries = ?, log_lines = ?, log_bytes = ?, updated_at = ?, state = ?, begin_intended = ?, \
             begun = ?, message = ?, percent = ?, attempts = ?, attempts_max = ?, host_faults = ?, waited_ms = ?, limit_ms = ?, \
             since = ?, expected_ms = ?, cleanup = ?, cleanup_attempts = ?, cleanup_error = ?, error_code = ?, \
             error_reason = ?, delete_wanted = ?, generation = ?, operation = ?, outdated = ?, health = ?, health_every_ms = ?",
            $indexed,
            " WHERE id = ?"
        )
    };
}
const SAVE: &str = save!("");
const SAVE_PHASE: &str = save!(", phase = ?");
const SAVE_END: &str = save!(", phase = ?, live = ?, kept_since = ?, grace_until = ?, grace_until_at = ?");

/// Binds what every write of the row writes.
pub(super) fn bind_progress(values: &mut Prepared<'_>, progress: &Progress, tx: &Tx<'_>) -> Result<()> {
    let addon = &progress.addon;
    let (cleanup_attempts, last_error) = match &addon.cleanup {
        Cleanup::Failing { attempts, last_error } => (*attempts, Some(last_error)),
        _ => (0, None),
    };
    let Patience { waited_ms, limit_ms, since, expected_ms } = addon.patience;
    let (code, reason) = addon.error.as_ref().map(|error| (&error.code, &error.reason)).unzip();
    values.put(progress.attached)?.put(progress.entries)?.put(progress.log_lines)?.put(progress.log_bytes)?;
    values.put(tx.wall.0)?.put(addon.state.as_str())?.put(addon.begin_intended)?.put(addon.begun)?;
    values.put(&addon.message)?.put(addon.percent)?;
    values.put(addon.attempts)?.put(addon.attempts_max)?.put(addon.host_faults)?;
    values.put(waited_ms)?.put(limit_ms)?.put(since.0)?.put(expected_ms)?;
    values.put(addon.cleanup.as_str())?.put(cleanup_attempts)?.put(last_error)?;
    values.put(code)?.put(reason)?.put(addon.delete_wanted)?;
    let operation = addon.operation.as_ref().map(serde_json::to_string).transpose();
    let operation = operation.map_err(|_| Failure::corrupt("an operation that is no JSON"))?;
    let health = Some(&addon.health).filter(|health| **health != Health::UNKNOWN);
    let health = health.map(serde_json::to_string).transpose();
    let health = health.map_err(|_| Failure::corrupt("a health that is no JSON"))?;
    let outdated = addon.outdated.as_ref().map(serde_json::to_string).transpose();
    let outdated = outdated.map_err(|_| Failure::corrupt("what is to be told, which is no JSON"))?;
    values.put(addon.generation)?.put(operation)?.put(outdated)?.put(health)?.put(addon.health_every_ms)?;
    Ok(())
}

fn read_addon(row: &mut Columns<'_>, id: AddonId) -> Result<Addon> {
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
        generation: row.take()?,
        operation: read_json(row, "an addon's operation")?,
        outdated: read_json(row, "what is to be told of an addon")?,
        health: read_json(row, "an addon's health")?.unwrap_or(Health::UNKNOWN),
        health_every_ms: row.take()?,
        grace: read_grace(row)?,
    })
}

fn read_json<T: DeserializeOwned>(row: &mut Columns<'_>, what: &'static str) -> Result<Option<T>> {
    let text: Option<String> = row.take()?;
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| Failure::corrupt(what))
}

fn read_grace(row: &mut Columns<'_>) -> Result<Option<Grace>> {
    let (until, shown) = (row.take::<Option<u64>>()?, row.take::<Option<i64>>()?);
    Ok(until.zip(shown).map(|(until, shown)| Grace { until: StoreTime(until), shown: WallTime(shown) }))
}

fn read_cleanup(row: &mut Columns<'_>) -> Result<Cleanup> {
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

fn read_error(row: &mut Columns<'_>) -> Result<Option<AddonError>> {
    let (code, reason) = (row.take::<Option<String>>()?, row.take::<Option<String>>()?);
    Ok(code.map(|code| AddonError { code, reason: reason.unwrap_or_default() }))
}

/// Whether nothing is left to do for an addon: neither for its user nor for its provider.
const fn is_finished(addon: &Addon) -> bool {
    addon.state.is_terminal() && !addon.cleanup.is_due()
}
