//! Values in and out of statements, in the order in which the statement names them: no column has a number that could be
//! wrong, and what can't be read is named.

use std::str::FromStr;

use larder_domain::{StoreTime, WallTime};
use rusqlite::types::FromSql;
use rusqlite::{CachedStatement, Row, ToSql};
use uuid::Uuid;

use super::error::{Failure, Result};

/// Takes a row's columns one after the other.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    pub(super) fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn take<T: FromSql>(&mut self) -> Result<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    pub(super) fn uint(&mut self) -> Result<u64> {
        self.take()
    }

    pub(super) fn time(&mut self) -> Result<StoreTime> {
        self.uint().map(StoreTime)
    }

    pub(super) fn wall(&mut self) -> Result<WallTime> {
        self.take().map(WallTime)
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid> {
        self.take().map(Uuid::from_bytes)
    }

    /// A text that one of the domain's types reads.
    pub(super) fn parsed<T: FromStr>(&mut self, what: &'static str) -> Result<T> {
        self.parsed_or_null(what)?.ok_or_else(|| Failure::corrupt(format!("{what} that is missing")))
    }

    /// The same, where nothing is a value too.
    pub(super) fn parsed_or_null<T: FromStr>(&mut self, what: &'static str) -> Result<Option<T>> {
        self.text_with(what, |text| text.parse().ok())
    }

    /// A text that names a variant of one of the domain's enums.
    pub(super) fn named<T>(&mut self, what: &'static str, from_name: fn(&str) -> Option<T>) -> Result<T> {
        self.text_with(what, from_name)?.ok_or_else(|| Failure::corrupt(format!("{what} that is missing")))
    }

    fn text_with<T>(&mut self, what: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        let value = self.row.get_ref(self.next)?;
        self.next += 1;
        let Some(text) = value.as_str_or_null().map_err(|_| Failure::corrupt(format!("{what} that is no text")))?
        else {
            return Ok(None);
        };
        read(text).map(Some).ok_or_else(|| Failure::corrupt(format!("{what} {text:?}")))
    }
}

/// Binds a statement's parameters, each an unnumbered `?`, one after the other.
pub(super) struct Values<'c> {
    statement: CachedStatement<'c>,
    next: usize,
}

impl<'c> Values<'c> {
    pub(super) fn of(statement: CachedStatement<'c>) -> Self {
        Self { statement, next: 1 }
    }

    pub(super) fn put(&mut self, value: impl ToSql) -> Result<&mut Self> {
        self.statement.raw_bind_parameter(self.next, value)?;
        self.next += 1;
        Ok(self)
    }

    /// Runs the statement. The number of rows that it changed.
    pub(super) fn execute(mut self) -> Result<usize> {
        Ok(self.statement.raw_execute()?)
    }
}
