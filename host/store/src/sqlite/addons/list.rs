//! Lists of addons. Whatever the filter, the rows are found in their order through an index, so a page costs what is on it.

use larder_domain::ports::store::AddonFilter;
use larder_domain::{AddonId, AddonState, AppName};
use rusqlite::Connection;

use super::record::SealedRecord;
use crate::sqlite::PAGE_ROWS_MAX;
use crate::sqlite::error::Result;
use crate::sqlite::rows::Columns;
use crate::sqlite::tx::list;

/// Addons in order of creation.
pub(super) fn addons(conn: &Connection, filter: &AddonFilter) -> Result<Vec<SealedRecord>> {
    let found = ids(conn, filter)?.into_iter().map(|id| SealedRecord::load(conn, id));
    found.filter_map(Result::transpose).collect()
}

fn ids(conn: &Connection, filter: &AddonFilter) -> Result<Vec<AddonId>> {
    let live: Vec<_> = AddonState::ALL.iter().copied().filter(|state| !state.is_terminal()).collect();
    let states = if filter.states.is_empty() { &live } else { &filter.states };
    let after = filter.after.map_or([0; 16], |id| id.0.into_bytes());
    let count_max = filter.count_max.min(PAGE_ROWS_MAX);
    if let Some(app) = &filter.app {
        return of_app(conn, app, filter, states, after, count_max);
    }
    // The indexes are in order within one state, so each state gives its first ones, and the first of these are the first.
    let mut ids = vec![];
    for state in states {
        ids.extend(match &filter.provider {
            Some(provider) => list(
                conn,
                "SELECT id FROM addon WHERE provider = ? AND state = ? AND id > ? ORDER BY id LIMIT ?",
                (provider.as_str(), state.as_str(), after, count_max),
                read_id,
            )?,
            None => list(
                conn,
                "SELECT id FROM addon WHERE state = ? AND id > ? ORDER BY id LIMIT ?",
                (state.as_str(), after, count_max),
                read_id,
            )?,
        });
    }
    ids.sort_unstable();
    ids.dedup();
    ids.truncate(count_max);
    Ok(ids)
}

/// An app has few addons, so they are looked through.
fn of_app(
    conn: &Connection,
    app: &AppName,
    filter: &AddonFilter,
    states: &[AddonState],
    after: [u8; 16],
    count_max: usize,
) -> Result<Vec<AddonId>> {
    let mut statement =
        conn.prepare_cached("SELECT id, state, provider FROM addon WHERE app = ? AND id > ? ORDER BY id")?;
    let mut rows = statement.query((app.as_str(), after))?;
    let mut ids = vec![];
    while ids.len() < count_max
        && let Some(row) = rows.next()?
    {
        let row = &mut Columns::of(row);
        let id = read_id(row)?;
        let state = row.named("an addon's state", AddonState::from_name)?;
        let provider = row.parsed("a provider's name")?;
        if states.contains(&state) && filter.provider.as_ref().is_none_or(|wanted| *wanted == provider) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn read_id(row: &mut Columns<'_, '_>) -> Result<AddonId> {
    row.uuid().map(AddonId)
}
