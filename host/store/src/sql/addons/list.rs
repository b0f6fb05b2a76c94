//! Lists of addons. Whatever the filter, the rows are found in their order through an index, so a page costs what is on it.

use larder_domain::ports::store::AddonFilter;
use larder_domain::{AddonId, AddonState};

use super::progress::Phase;
use super::record::SealedRecord;
use crate::sql::PAGE_ROWS_MAX;
use crate::sql::database::{Binds, Conn};
use crate::sql::error::Result;
use crate::sql::rows::Columns;

/// Addons in order of creation.
pub(super) fn addons(conn: &Conn, filter: &AddonFilter) -> Result<Vec<SealedRecord>> {
    let found = Page::of(filter).ids(conn)?.into_iter().map(|id| SealedRecord::load(conn, id));
    found.filter_map(Result::transpose).collect()
}

/// Rows that are read at once, however few are wished for.
const ROWS_AT_ONCE_MIN: usize = 64;

struct Page<'a> {
    filter: &'a AddonFilter,
    states: Vec<AddonState>,
    after: [u8; 16],
    count_max: usize,
}

impl<'a> Page<'a> {
    fn of(filter: &'a AddonFilter) -> Self {
        let mut states = filter.states.clone();
        if filter.kept && states.is_empty() {
            states = AddonState::ALL.to_vec();
        }
        if states.is_empty() {
            states = AddonState::ALL.iter().copied().filter(|state| !state.is_terminal()).collect();
        }
        let after = filter.after.map_or([0; 16], |id| id.0.into_bytes());
        Self { filter, states, after, count_max: filter.count_max.min(PAGE_ROWS_MAX) }
    }

    fn ids(&self, conn: &Conn) -> Result<Vec<AddonId>> {
        // An app has few addons: they are looked through.
        if let Some(app) = &self.filter.app {
            let sql =
                "SELECT id, state, provider, live, grace_until FROM addon WHERE app = ? AND id > ? ORDER BY id LIMIT ?";
            return self.first(conn, sql, |after, rows_max| (app.as_str(), after, rows_max));
        }
        if self.filter.kept {
            let sql = conn.either(
                "SELECT id, state, provider, live, grace_until FROM addon INDEXED BY addon_in_grace
                 WHERE grace_until IS NOT NULL AND id > ? ORDER BY id LIMIT ?",
                "SELECT id, state, provider, live, grace_until FROM addon WHERE grace_until IS NOT NULL AND id > ? ORDER BY id LIMIT ?",
            );
            return self.first(conn, sql, |after, rows_max| (after, rows_max));
        }
        // The other indexes are in order within a phase: each phase gives its first ones, and the first of these are the first.
        let mut ids = vec![];
        for phase in Phase::ALL.iter().filter(|phase| self.states.iter().any(|state| Phase::of(*state) == **phase)) {
            ids.extend(match &self.filter.provider {
                Some(provider) => self.first(
                    conn,
                    "SELECT id, state, provider, live, grace_until FROM addon WHERE provider = ? AND phase = ? AND id > ? ORDER BY id LIMIT ?",
                    |after, rows_max| (provider.as_str(), *phase as u8, after, rows_max),
                )?,
                None => self.first(
                    conn,
                    "SELECT id, state, provider, live, grace_until FROM addon WHERE phase = ? AND id > ? ORDER BY id LIMIT ?",
                    |after, rows_max| (*phase as u8, after, rows_max),
                )?,
            });
        }
        ids.sort_unstable();
        ids.truncate(self.count_max);
        Ok(ids)
    }

    /// The first rows of a query that pass the filter. Most of them do, so few more are read than are wished for.
    fn first<B: Binds>(&self, conn: &Conn, sql: &str, binds: impl Fn([u8; 16], usize) -> B) -> Result<Vec<AddonId>> {
        let (mut ids, mut after, rows_max) = (vec![], self.after, self.count_max.max(ROWS_AT_ONCE_MIN));
        loop {
            let mut rows = 0;
            conn.each_row(sql, binds(after, rows_max), rows_max, |row| {
                let id = AddonId(row.uuid()?);
                (rows, after) = (rows + 1, id.0.into_bytes());
                if self.passes(row)? {
                    ids.push(id);
                }
                Ok(())
            })?;
            if rows < rows_max || ids.len() >= self.count_max {
                ids.truncate(self.count_max);
                return Ok(ids);
            }
        }
    }

    fn passes(&self, row: &mut Columns<'_>) -> Result<bool> {
        let state = row.named("an addon's state", AddonState::from_name)?;
        let provider = row.parsed("a provider's name")?;
        let (live, kept) = (row.take::<bool>()?, row.take::<Option<u64>>()?.is_some());
        Ok(self.states.contains(&state)
            && self.filter.provider.as_ref().is_none_or(|wanted| *wanted == provider)
            && (!self.filter.kept || (kept && !live)))
    }
}
