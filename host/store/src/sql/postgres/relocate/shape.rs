//! What the databases have: tables, columns, numbers that rise. All of it is asked of them.

use std::collections::BTreeSet;

use larder_domain::InstallationId;
use postgres::Client;
use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::{RelocateError, Result};
use crate::sql::migrations::KNOWN;
use crate::sql::postgres::SCHEMA;

/// Where the server has how new its tables are.
const SCHEMA_TABLE: &str = "schema_version";
/// What only a server has, since several nodes share it.
const ONLY_THERE: [(&str, &str); 4] = [
    ("installation", "clock_zero_ms"),
    ("installation", "last_commit"),
    ("installation", "providers_revision"),
    ("node", "key"),
];
/// Tables that only a server has: how new the others are, and what its nodes tell each other of keys.
const TABLES_ONLY_THERE: [&str; 2] = [SCHEMA_TABLE, "key_rotation"];
/// What is about nodes, and nothing to whoever goes on alone.
const OF_NODES: [&str; 3] = ["node", "node_engine", "transfer"];

/// A table that is moved.
pub(super) struct Table {
    pub(super) name: String,
    /// All that are stored; what the database makes of others it makes there too.
    columns: Vec<String>,
    /// The tables whose rows its own belong to.
    owners: BTreeSet<String>,
}

impl Table {
    /// Whether it is about the nodes that there are, and not about what they keep.
    pub(super) fn is_of_nodes(&self) -> bool {
        OF_NODES.contains(&self.name.as_str())
    }

    /// Marks for the values of a row.
    pub(super) fn places(&self) -> String {
        vec!["?"; self.columns.len()].join(", ")
    }

    pub(super) fn quoted(&self) -> String {
        quoted(&self.name)
    }

    pub(super) fn columns(&self) -> String {
        self.columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
    }
}

/// A name of ours, none of which has a quote in it.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// Whether the directory's database is what this version would make.
pub(super) fn refuse_older(source: &Connection) -> Result<(), RelocateError> {
    let found: usize = source.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found < KNOWN { Err(RelocateError::Older { found, known: KNOWN }) } else { Ok(()) }
}

/// Whose database it is.
pub(super) fn installation(source: &Connection) -> Result<InstallationId, RelocateError> {
    let id: [u8; 16] = source.query_row("SELECT id FROM installation", [], |row| row.get(0))?;
    Ok(InstallationId(Uuid::from_bytes(id)))
}

/// The same at the server.
pub(super) fn installation_there(source: &mut Client) -> Result<InstallationId, RelocateError> {
    let id: Option<Vec<u8>> =
        source.query_opt("SELECT id FROM installation", &[])?.map(|row| row.try_get(0)).transpose()?;
    let id = id.and_then(|id| Uuid::from_slice(&id).ok());
    id.map(InstallationId).ok_or(RelocateError::Empty)
}

/// All tables, those first that others' rows belong to.
pub(super) fn tables(source: &Connection) -> Result<Vec<Table>, RelocateError> {
    let mut left = vec![];
    for name in texts(
        source,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite$_%' ESCAPE '$'",
        "",
    )? {
        // Whatever is hidden is made of other columns.
        let columns = texts(source, "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid", &name)?;
        let owners = texts(source, "SELECT \"table\" FROM pragma_foreign_key_list(?)", &name)?.into_iter().collect();
        left.push(Table { name, columns, owners });
    }
    let mut ordered: Vec<Table> = vec![];
    while !left.is_empty() {
        let waits = |table: &Table, left: &[Table]| left.iter().any(|other| table.owners.contains(&other.name));
        let Some(at) = left.iter().position(|table| !waits(table, &left)) else {
            return Err(RelocateError::Shape("tables that belong to each other".into()));
        };
        ordered.push(left.remove(at));
    }
    Ok(ordered)
}

fn texts(source: &Connection, sql: &str, of: &str) -> Result<Vec<String>, RelocateError> {
    let mut statement = source.prepare(sql)?;
    let of: &[&str] = if statement.parameter_count() == 0 { &[] } else { &[of] };
    let rows = statement.query_map(rusqlite::params_from_iter(of), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn count(source: &Connection, table: &Table) -> Result<u64, RelocateError> {
    Ok(source.query_row(&format!("SELECT count(*) FROM {}", table.quoted()), [], |row| row.get(0))?)
}

/// The highest number that a table has given to a row, also to one that is gone where this is known.
pub(super) fn last_number(source: &Connection, table: &str, column: &str) -> Result<i64, RelocateError> {
    let sql = format!("SELECT coalesce(max({}), 0) FROM {}", quoted(column), quoted(table));
    let in_use: i64 = source.query_row(&sql, [], |row| row.get(0))?;
    let given =
        source.query_row("SELECT seq FROM sqlite_sequence WHERE name = ?", [table], |row| row.get(0)).optional()?;
    Ok(in_use.max(given.unwrap_or(0)))
}

/// A database in which there is anything but what a first start that was broken off leaves is not to be touched.
pub(super) fn refuse_occupied(target: &mut Client, ours: InstallationId) -> Result<(), RelocateError> {
    let sql = "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()";
    let found: BTreeSet<String> = target.query(sql, &[])?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if found.iter().all(|name| name == SCHEMA_TABLE) {
        return Ok(());
    }
    if !(found.contains(SCHEMA_TABLE) && found.contains("installation")) {
        return Err(RelocateError::Foreign);
    }
    let there: Option<Vec<u8>> =
        target.query_opt("SELECT id FROM installation", &[])?.map(|row| row.try_get(0)).transpose()?;
    Err(RelocateError::Occupied { is_same: there.is_some_and(|id| id == ours.0.as_bytes()) })
}

/// Every column has to have one of its name there.
pub(super) fn refuse_missing(target: &mut Client, tables: &[Table]) -> Result<(), RelocateError> {
    let there = columns_there(target)?;
    columns_here(tables)
        .find(|column| !there.contains(column))
        .map_or(Ok(()), |it| Err(RelocateError::Shape(named(&it))))
}

/// Both have to have the same, but for what only several nodes need.
pub(super) fn refuse_unlike(source: &mut Client, tables: &[Table]) -> Result<(), RelocateError> {
    let (there, here): (BTreeSet<_>, BTreeSet<_>) = (columns_there(source)?, columns_here(tables).collect());
    let is_wanted = |(table, column): &&Column| {
        !TABLES_ONLY_THERE.contains(&table.as_str()) && !ONLY_THERE.contains(&(table.as_str(), column.as_str()))
    };
    if let Some(column) = there.difference(&here).find(is_wanted) {
        return Err(RelocateError::Shape(named(column)));
    }
    here.difference(&there).next().map_or(Ok(()), |column| Err(RelocateError::Lacking(named(column))))
}

/// A table's name, and a column's.
type Column = (String, String);

fn named((table, column): &Column) -> String {
    format!("the column {column} of the table {table}")
}

fn columns_here(tables: &[Table]) -> impl Iterator<Item = Column> {
    tables.iter().flat_map(|table| table.columns.iter().map(|column| (table.name.clone(), column.clone())))
}

/// All that are stored at the server.
fn columns_there(there: &mut Client) -> Result<BTreeSet<Column>, RelocateError> {
    let sql = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns
               WHERE table_schema = current_schema() AND is_generated = 'NEVER'";
    let rows = there.query(sql, &[])?;
    Ok(rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, postgres::Error>>()?)
}

pub(super) fn count_there(there: &mut Client, table: &Table) -> Result<u64, RelocateError> {
    let rows: i64 = there.query_one(&format!("SELECT count(*) FROM {}", table.quoted()), &[])?.try_get(0)?;
    Ok(rows.unsigned_abs())
}

/// Whether the server's database is what this version would make.
pub(super) fn refuse_other_schema(source: &mut Client) -> Result<(), RelocateError> {
    let found: i64 = source.query_one("SELECT version FROM schema_version", &[])?.try_get(0)?;
    let found = usize::try_from(found).unwrap_or_default();
    if found == SCHEMA { Ok(()) } else { Err(RelocateError::Schema { found, known: SCHEMA }) }
}

/// The highest number that the server has given to a row of a table, also to one that is gone.
pub(super) fn last_number_there(source: &mut Client, table: &str, column: &str) -> Result<i64, RelocateError> {
    let sql =
        "SELECT coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence(quote_ident($1), $2) AS regclass)), 0)";
    Ok(source.query_one(sql, &[&table, &column])?.try_get(0)?)
}

/// The columns whose numbers the server gives.
pub(super) fn identities(target: &mut Client) -> Result<Vec<(String, String)>, RelocateError> {
    let sql = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns
               WHERE table_schema = current_schema() AND is_identity = 'YES'";
    let rows = target.query(sql, &[])?;
    Ok(rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, postgres::Error>>()?)
}
