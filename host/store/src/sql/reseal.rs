//! Everything that was sealed with a key of before, sealed with the present one, while everybody goes on.
//!
//! A pass goes through all sealed columns, a few rows at a time. Reading, opening and sealing happen beside the writer; the writer only
//! puts the new value where the old one still stands, so a row that somebody has changed meanwhile is theirs, and the next
//! pass looks at it again. There is nothing to remember: what is done is known by its key, so a pass that is broken off begins anew.
//!
//! A value may have been sealed just before the new key came and be stored long after. So there is an end in two steps. First the
//! writer's connection refuses whatever an old key has sealed ([`SqlStore::refuse_old_keys`]), and only what is counted after that
//! counts ([`SqlStore::count_old_keys`]); and it counts in all columns that there are, not only in those that are known here.

mod columns;
mod compact;

use std::sync::Arc;

use larder_domain::audit::{Action, Actor};
use larder_domain::ports::StoreError;
use serde_json::Value;

use super::database::{Conn, Owned as Cell};
use super::error::{Failure, Result as Outcome};
use super::tx::{Tx, find, list};
use super::{SqlStore, audit, postgres};
use crate::KeyfileSealer;
use crate::sealer::{PREFIX_BYTES, SEALED_BYTES_MIN};
pub(super) use columns::{Column, SEALED};

/// Rows that are looked at in one go.
const PAGE_ROWS: usize = 64;
/// Sealed bytes that the writer is given in one go, unless a single value has more.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// A pass through all sealed columns.
pub struct Resealing<'a> {
    store: &'a SqlStore,
    sealer: Arc<KeyfileSealer>,
    place: Place,
}

/// How far a pass has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    column: usize,
    after: Option<Vec<Cell>>,
}

/// A value that is to be replaced.
struct Resealed {
    key: Vec<Cell>,
    old: Vec<u8>,
    new: Vec<u8>,
}

/// Some rows of a column.
struct Page {
    resealed: Vec<Resealed>,
    /// None at the end of the column.
    last: Option<Vec<Cell>>,
}

impl<'a> Resealing<'a> {
    /// A pass that goes on from there.
    pub(super) fn from(store: &'a SqlStore, sealer: &Arc<KeyfileSealer>, place: Place) -> Self {
        Self { store, sealer: Arc::clone(sealer), place }
    }

    /// How far it has come.
    pub(super) fn place(self) -> Place {
        self.place
    }

    /// Looks at the next rows. How many values were sealed anew, or none at the end of the pass.
    ///
    /// # Errors
    /// The database failed, or something can't be opened with the key that it says.
    pub async fn step(&mut self) -> Result<Option<u64>, StoreError> {
        let Some(column) = SEALED.get(self.place.column) else { return Ok(None) };
        let (sealer, after) = (Arc::clone(&self.sealer), self.place.after.clone());
        let page = self.store.readers.read(move |conn| page(conn, column, &sealer, after)).await?;
        self.place.after = page.last;
        if self.place.after.is_none() {
            self.place.column += 1;
        }
        let (mut rest, mut done) = (page.resealed.into_iter().peekable(), 0);
        while rest.peek().is_some() {
            let mut bytes = 0;
            let batch: Vec<_> = std::iter::from_fn(|| {
                bytes += rest.peek()?.new.len();
                if bytes > BATCH_BYTES_MAX && bytes > rest.peek()?.new.len() { None } else { rest.next() }
            })
            .collect();
            let key = self.sealer.key_id();
            done += self.store.writer.run(move |tx| replace(tx, column, &batch, &key)).await?;
        }
        Ok(Some(done))
    }
}

impl SqlStore {
    /// A pass that seals anew what the keys of before have sealed.
    #[must_use]
    pub fn reseal(&self, sealer: &Arc<KeyfileSealer>) -> Resealing<'_> {
        Resealing::from(self, sealer, Place::default())
    }

    /// From now on, and as long as this process has the store, nothing is stored that a key of before has sealed. Whoever tries fails,
    /// and has to try again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn refuse_old_keys(&self, sealer: &KeyfileSealer) -> Result<(), StoreError> {
        let prefixes = sealer.old_prefixes();
        let job = move |tx: &mut Tx<'_>| {
            let conn = tx.conn.embedded()?;
            Ok(conn.execute_batch(&refusing(tx.conn, &prefixes))?)
        };
        self.writer.run(job).await
    }

    /// How many values there are that a key of before has sealed, by table and column. Where nodes share a database, all of a sealed column
    /// are counted that the present key has not sealed: which key has, need not be known here.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count_old_keys(&self, sealer: &KeyfileSealer) -> Result<Vec<(String, u64)>, StoreError> {
        let (prefixes, present) = (sealer.old_prefixes(), sealer.prefix());
        let Some(connector) = self.readers.connector().cloned() else {
            return self.readers.read(move |conn| counted(conn, &prefixes, None)).await;
        };
        let counting = tokio::task::spawn_blocking(move || counted(&connector.counter()?, &prefixes, Some(&present)));
        Ok(counting.await.map_err(|error| StoreError::Database(Box::new(error)))??)
    }

    /// Writes down in the audit log what was done about keys.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note_keys(&self, actor: Actor, action: Action, noted: Value) -> Result<(), StoreError> {
        self.writer.run(move |tx| audit::note_of_all(tx, actor, action, &noted)).await
    }
}

/// Rows of a column from behind this one on, sealed anew where that is needed.
fn page(conn: &Conn, column: &Column, sealer: &KeyfileSealer, after: Option<Vec<Cell>>) -> Outcome<Page> {
    let Column { table, column: name, key, place } = column;
    let keys = key.join(", ");
    let (marks, is_old) = (vec!["?"; key.len()].join(", "), is_old(conn, name, &sealer.old_prefixes()));
    let from = after.as_ref().map(|_| format!("WHERE ({keys}) > ({marks})")).unwrap_or_default();
    let sql = format!(
        "SELECT {keys}, CASE WHEN {is_old} THEN {name} END FROM {table} {from} ORDER BY {keys} LIMIT {PAGE_ROWS}"
    );
    let rows = list(conn, &sql, after.unwrap_or_default(), |row| {
        let at = (0..key.len()).map(|_| row.take()).collect::<Outcome<Vec<Cell>>>()?;
        Ok((at, row.take::<Option<Vec<u8>>>()?))
    })?;
    let last = rows.last().filter(|_| rows.len() == PAGE_ROWS).map(|(at, _)| at.clone());
    let mut resealed = vec![];
    for (key, old) in rows {
        let Some(old) = old else { continue };
        let place = place(&key).ok_or_else(|| Failure::corrupt(format!("a row of {table} without a place")))?;
        let damaged = |_| Failure::corrupt(format!("a value in {table}.{name} that no key opens ({place})"));
        let new = sealer.reseal(&place, &old).map_err(damaged)?;
        resealed.push(Resealed { key, old, new });
    }
    Ok(Page { resealed, last })
}

/// Puts new values where the old ones still stand.
fn replace(tx: &Tx<'_>, column: &Column, batch: &[Resealed], new_key: &str) -> Outcome<u64> {
    let Column { table, column: name, key, .. } = column;
    let at = key.iter().map(|key| format!("{key} = ?")).collect::<Vec<_>>().join(" AND ");
    let sql = format!("UPDATE {table} SET {name} = ? WHERE {at} AND {name} = ?");
    let mut done = 0;
    for Resealed { key, old, new } in batch {
        let cells = std::iter::once(Cell::Blob(new.clone()));
        let cells = cells.chain(key.iter().cloned()).chain(std::iter::once(Cell::Blob(old.clone())));
        done += tx.execute(&sql, cells.collect::<Vec<_>>())? as u64;
    }
    if let Conn::Postgres(_) = tx.conn {
        postgres::keys::note_resealed(tx, new_key, done)?;
    }
    Ok(done)
}

/// Whether something stands in a column that one of these keys has sealed.
fn is_old(conn: &Conn, column: &str, prefixes: &[[u8; PREFIX_BYTES]]) -> String {
    // Nothing is in an empty list, to SQLite alone.
    if prefixes.is_empty() {
        return "(1 = 0)".to_owned();
    }
    let prefixes: Vec<_> = prefixes.iter().map(|prefix| literal(conn, prefix)).collect();
    format!("({} IN ({}))", beginning(column), prefixes.join(", "))
}

/// How something sealed begins; nothing if what stands there is too short for that.
pub(super) fn beginning(column: &str) -> String {
    format!("CASE WHEN length({column}) >= {SEALED_BYTES_MIN} THEN substr({column}, 1, {PREFIX_BYTES}) END")
}

/// These bytes, as a statement has them that takes no values.
pub(super) fn literal(conn: &Conn, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match conn {
        Conn::Sqlite(_) => format!("x'{hex}'"),
        Conn::Postgres(_) => format!("CAST('\\x{hex}' AS BYTEA)"),
    }
}

/// Triggers of one connection, which nobody else sees and which go with it.
fn refusing(conn: &Conn, prefixes: &[[u8; PREFIX_BYTES]]) -> String {
    let trigger = |Column { table, column, .. }: &Column| {
        let (is_old, stop) = (
            is_old(conn, &format!("NEW.{column}"), prefixes),
            "SELECT RAISE(ABORT, 'it was sealed with a key that is given up')",
        );
        let of = |event: &str, when: &str| {
            format!(
                "DROP TRIGGER IF EXISTS temp.old_key_{event}_{table}_{column};
                 CREATE TEMP TRIGGER old_key_{event}_{table}_{column} BEFORE {when} ON main.{table} WHEN {is_old} BEGIN {stop}; END;"
            )
        };
        of("insert", "INSERT") + &of("update", &format!("UPDATE OF {column}"))
    };
    SEALED.iter().map(trigger).collect()
}

type Prefix = [u8; PREFIX_BYTES];

/// Looks into every column that can hold something sealed, whether it is known here or not: for what these keys have sealed; and in those
/// that are known, for all that the present one has not, if it is given.
fn counted(conn: &Conn, old: &[Prefix], present: Option<&Prefix>) -> Outcome<Vec<(String, u64)>> {
    let mut found = vec![];
    for (table, column) in columns::of_bytes(conn)?.into_iter().filter(columns::may_be_sealed) {
        let is_old = match present.filter(|_| SEALED.iter().any(|it| it.table == table && it.column == column)) {
            Some(present) => format!("({} <> {})", beginning(&column), literal(conn, present)),
            None => is_old(conn, &column, old),
        };
        let sql = format!("SELECT count(*) FROM {table} WHERE {is_old}");
        // Keys are given up for what is said here.
        match find(conn, &sql, (), |row| row.uint())?.ok_or_else(|| Failure::corrupt("a count that is none"))? {
            0 => {}
            count => found.push((format!("{table}.{column}"), count)),
        }
    }
    Ok(found)
}
