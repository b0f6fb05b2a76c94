//! What a statement gives, as text, and no more of it than was bargained for.

use crate::Error;

/// How many rows are kept.
const ROWS_MAX: usize = 10_000;
/// How many values are kept: an empty one takes far more memory here than on the wire.
const VALUES_MAX: usize = 64 * 1024;

/// Rows of values; what is null is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    rows: Vec<Vec<Option<String>>>,
    values: usize,
}

impl Rows {
    /// All of them.
    pub fn all(&self) -> &[Vec<Option<String>>] {
        &self.rows
    }

    /// The first value of the first row.
    pub fn value(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }

    /// The first value of each row that has one.
    pub fn column(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| row.first()?.as_deref())
    }

    pub(crate) fn push(&mut self, row: Vec<Option<String>>) -> Result<(), Error> {
        self.values += row.len();
        if self.rows.len() >= ROWS_MAX || self.values > VALUES_MAX {
            return Err(Error::protocol("the answer has more rows than may be"));
        }
        self.rows.push(row);
        Ok(())
    }
}
