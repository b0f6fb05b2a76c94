//! Values out of rows, in the order in which the statement names them: no column has a number that could be wrong, and what can't
//! be read is named.

use std::str::FromStr;

use larder_domain::{StoreTime, WallTime};
use uuid::Uuid;

use super::database::{AnyRow, FromColumn, Value};
use super::error::{Failure, Result};

/// Takes a row's columns one after the other.
pub(super) struct Columns<'r> {
    row: AnyRow<'r>,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) fn of(row: impl Into<AnyRow<'r>>) -> Self {
        Self { row: row.into(), next: 0 }
    }

    fn next(&mut self) -> Result<Value<'r>> {
        let value = self.row.value(self.next)?;
        self.next += 1;
        Ok(value)
    }

    pub(super) fn take<T: FromColumn>(&mut self) -> Result<T> {
        let at = self.next;
        let value = T::from_column(self.next()?);
        value.ok_or_else(|| Failure::corrupt(format!("a value of the wrong type (column {at})")))
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
        let text = match self.next()? {
            Value::Null => return Ok(None),
            Value::Text(text) => text,
            _ => return Err(Failure::corrupt(format!("{what} that is no text"))),
        };
        read(text).map(Some).ok_or_else(|| Failure::corrupt(format!("{what} {text:?}")))
    }
}
