//! What a statement gives, as text, and no more of it than was bargained for.

use std::mem;
use std::ops::Range;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{DataRowBody, Message};

use super::message;
use crate::wire::Wire;
use crate::{Error, Stream};

/// The longest answer with everything in it, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How many rows are kept.
const ROWS_MAX: usize = 10_000;
/// How many values are kept: an empty one takes far more memory here than on the wire.
const VALUES_MAX: usize = 64 * 1024;

/// Rows of values; what is null is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows(Vec<Vec<Option<String>>>);

impl Rows {
    /// All of them.
    pub fn all(&self) -> &[Vec<Option<String>>] {
        &self.0
    }

    /// The first value of the first row.
    pub fn value(&self) -> Option<&str> {
        self.column().next()
    }

    /// The first value of each row that has one.
    pub fn column(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|row| row.first()?.as_deref())
    }

    pub(crate) fn push(&mut self, row: Vec<Option<String>>) -> Result<(), Error> {
        if self.0.len() >= ROWS_MAX {
            return Err(Error::protocol("there are more rows than may be"));
        }
        self.0.push(row);
        Ok(())
    }
}

/// Reads until the server waits for the next statement.
pub(super) fn read<S: Stream>(wire: &mut Wire<S>) -> Result<Rows, Error> {
    wire.allow(ANSWER_BYTES_MAX);
    let (mut rows, mut values, mut refused) = (Rows::default(), 0, None);
    loop {
        match message::read(wire)? {
            Message::DataRow(data) => {
                let row = row(&data)?;
                values += row.len();
                if values > VALUES_MAX {
                    return Err(Error::protocol("there are more values than may be"));
                }
                rows.push(row)?;
            }
            Message::ErrorResponse(body) => {
                let (refusal, is_last) = message::refusal(&body);
                if is_last {
                    wire.end();
                    return Err(Error::Refused(refusal));
                }
                refused.get_or_insert(refusal);
            }
            Message::ReadyForQuery(_) => {
                return refused.map_or_else(|| Ok(mem::take(&mut rows)), |refusal| Err(Error::Refused(refusal)));
            }
            Message::RowDescription(_)
            | Message::CommandComplete(_)
            | Message::EmptyQueryResponse
            | Message::NoticeResponse(_)
            | Message::NotificationResponse(_)
            | Message::ParameterStatus(_) => {}
            _ => return Err(Error::protocol("a message is no answer to a statement")),
        }
    }
}

fn row(data: &DataRowBody) -> Result<Vec<Option<String>>, Error> {
    let text = |range: Option<Range<usize>>| {
        let bytes = range.and_then(|range| data.buffer().get(range));
        Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    };
    data.ranges().map(text).collect().map_err(message::not_understood)
}
