//! What a statement gives.

use std::ops::Range;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{DataRowBody, Message};

use super::message;
use crate::wire::Wire;
use crate::{Error, Rows, Stream};

/// The longest answer with everything in it, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Reads until the server waits for the next statement.
pub(super) fn read<S: Stream>(wire: &mut Wire<S>) -> Result<Rows, Error> {
    wire.allow(ANSWER_BYTES_MAX);
    let (mut rows, mut refused) = (Rows::default(), None);
    loop {
        match message::read(wire)? {
            Message::DataRow(data) => rows.push(row(&data)?)?,
            Message::ErrorResponse(body) => {
                let (refusal, is_last) = message::refusal(&body);
                if is_last {
                    wire.end();
                    return Err(Error::Refused(refusal));
                }
                refused.get_or_insert(refusal);
            }
            Message::ReadyForQuery(_) => {
                return refused.map_or(Ok(rows), |refusal| Err(Error::Refused(refusal)));
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
