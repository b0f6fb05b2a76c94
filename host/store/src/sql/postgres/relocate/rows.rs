//! Rows on their way out of either database, one after the other.

use postgres::Client;
use postgres::binary_copy::BinaryCopyOutIter;
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::Type;
use rusqlite::Connection;

use super::shape::Table;
use super::sum::Sum;
use super::{Progress, RelocateError, Result};
use crate::sql::database::{AnyRow, Value};
use crate::sql::error::Failure;

/// After how many rows it is told how far it is.
const TOLD_EVERY_ROWS: u64 = 1_000;

/// The rows of a table so far.
pub(super) struct Counted<'a> {
    pub(super) sum: Sum,
    told: &'a mut dyn FnMut(Progress<'_>),
    is_check: bool,
    table: &'a str,
    of: u64,
}

impl<'a> Counted<'a> {
    /// None so far, of so many.
    pub(super) fn begin(told: &'a mut dyn FnMut(Progress<'_>), is_check: bool, table: &'a Table, of: u64) -> Self {
        let it = Self { sum: Sum::default(), told, is_check, table: &table.name, of };
        (it.told)(Progress { is_check, table: it.table, rows: 0, of });
        it
    }

    /// One more.
    pub(super) fn add(&mut self, values: &[Value<'_>]) {
        self.sum.add(values);
        let Self { is_check, table, of, .. } = *self;
        if self.sum.rows.is_multiple_of(TOLD_EVERY_ROWS) {
            (self.told)(Progress { is_check, table, rows: self.sum.rows, of });
        }
    }
}

/// Of which types a table's columns are at the server.
pub(super) fn types(there: &mut Client, table: &Table) -> Result<Vec<Type>, RelocateError> {
    let statement = there.prepare(&format!("SELECT {} FROM {}", table.columns(), table.quoted()))?;
    Ok(statement.columns().iter().map(|column| column.type_().clone()).collect())
}

/// Each row that a table has in the directory's database.
pub(super) fn each_here(
    here: &Connection,
    table: &Table,
    mut row: impl FnMut(&[Value<'_>]) -> Result<(), RelocateError>,
) -> Result<(), RelocateError> {
    let mut select = here.prepare(&format!("SELECT {} FROM {}", table.columns(), table.quoted()))?;
    let columns = select.column_count();
    let mut rows = select.query([])?;
    while let Some(found) = rows.next()? {
        let found = AnyRow::from(found);
        let values = (0..columns).map(|column| found.value(column)).collect::<Result<Vec<_>>>();
        let values = values.map_err(|Failure(source)| RelocateError::Row { table: table.name.clone(), source })?;
        row(&values)?;
    }
    Ok(())
}

/// Each row that a table has at the server.
pub(super) fn each_there(
    there: &mut Client,
    table: &Table,
    types: &[Type],
    mut row: impl FnMut(&[Value<'_>]) -> Result<(), RelocateError>,
) -> Result<(), RelocateError> {
    let sql = format!("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)", table.columns(), table.quoted());
    let mut rows = BinaryCopyOutIter::new(there.copy_out(&sql)?, types);
    while let Some(found) = rows.next()? {
        let values = (0..types.len()).map(|column| found.try_get::<Value<'_>>(column));
        row(&values.collect::<Result<Vec<_>, _>>()?)?;
    }
    Ok(())
}
