//! Lists of addons. Whatever the filter, the rows are found in their order through an index, so a page costs what is on it.

use larder_domain::ports::store::AddonFilter;
use larder_domain::{AddonId, AddonState};
use rusqlite::{Connection, Params};

use super::progress::Phase;
use super::record::SealedRecord;
use crate::sqlite::PAGE_ROWS_MAX;
use crate::sqlite::error::Result;
use crate::sqlite::rows::Columns;

/// Addons in order of creation.
pub(super) fn addons(conn: &Connection, filter: &AddonFilter) -> Result<Vec<SealedRecord>> {
    let found = Page::of(filter).ids(conn)?.into_iter().map(|id| SealedRecord::load(conn, id));
    found.filter_map(Result::transpose).collect()
}

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

    fn ids(&self, conn: &Connection) -> Result<Vec<AddonId>> {
        // An app has few addons: they are looked through.
        if let Some(app) = &self.filter.app {
            let sql = "SELECT id, state, provider, live, grace_until FROM addon WHERE app = ? AND id > ? ORDER BY id";
            return self.first(conn, sql, (app.as_str(), self.after));
        }
        if self.filter.kept {
            let sql = "SELECT id, state, provider, live, grace_until FROM addon INDEXED BY addon_in_grace
                       WHERE grace_until IS NOT NULL AND id > ? ORDER BY id";
            return self.first(conn, sql, [self.after]);
        }
        // The other indexes are in order within a phase: each phase gives its first ones, and the first of these are the first.
        let mut ids = vec![];
        for phase in Phase::ALL.iter().filter(|phase| self.states.iter().any(|state| Phase::of(*state) == **phase)) {
            ids.extend(match &self.filter.provider {
                Some(provider) => self.first(
                    conn,
                    "SELECT id, state, provider, live, grace_until FROM addon WHERE provider = ? AND phase = ? AND id > ? ORDER BY id",
                    (provider.as_str(), *phase as u8, self.after),
                )?,
                None => self.first(
                    conn,
                    "SELECT id, state, provider, live, grace_until FROM addon WHERE phase = ? AND id > ? ORDER BY id",
                    (*phase as u8, self.after),
                )?,
            });
        }
        ids.sort_unstable();
        ids.truncate(self.count_max);
        Ok(ids)
    }

    /// The first rows of a query that pass the filter.
    fn first(&self, conn: &Connection, sql: &str, params: impl Params) -> Result<Vec<AddonId>> {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut ids = vec![];
        while ids.len() < self.count_max
            && let Some(row) = rows.next()?
        {
            let row = &mut Columns::of(row);
            let id = AddonId(row.uuid()?);
            let state = row.named("an addon's state", AddonState::from_name)?;
            let provider = row.parsed("a provider's name")?;
            let (live, kept) = (row.take::<bool>()?, row.take::<Option<u64>>()?.is_some());
            if self.states.contains(&state)
                && self.filter.provider.as_ref().is_none_or(|wanted| *wanted == provider)
                && (!self.filter.kept || (kept && !live))
            {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}
