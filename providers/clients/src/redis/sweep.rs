//! The end of a user's keys, a batch at a time: there may be more than a call has time for.

use super::{Session, Value, users};
use crate::{Error, Stream};

/// How many keys the server looks at in a batch: few enough that nobody notices.
const LOOKED_AT: &str = "1000";

/// A batch. The server itself goes from `SCAN` to `UNLINK`, since names of keys may be longer than we have memory.
const BATCH: &str = "local found = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3]) \
    for _, key in ipairs(found[2]) do redis.call('UNLINK', key) end \
    return {found[1], #found[2]}";

/// How far it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// Where to go on; none when all is done.
    pub cursor: Option<String>,
    /// How many keys were deleted.
    pub deleted: u64,
}

/// Deletes keys under a prefix, in at most so many batches of a thousand keys looked at. Go on with the cursor that it gave, in a later
/// call if need be; without one, it begins. Remove the user first, or it makes new keys meanwhile.
///
/// # Errors
/// The server refuses, or the prefix is none.
pub fn delete_keys<S: Stream>(
    session: &mut Session<S>,
    prefix: &str,
    cursor: Option<&str>,
    batches_max: u32,
) -> Result<Sweep, Error> {
    users::check(prefix)?;
    let pattern = format!("{prefix}:*");
    let mut sweep = Sweep { cursor: Some(cursor.unwrap_or("0").to_owned()), deleted: 0 };
    for _ in 0..batches_max {
        let Some(cursor) = sweep.cursor.take() else { break };
        let words = ["EVAL", BATCH, "0", &cursor, &pattern, LOOKED_AT].map(str::as_bytes);
        let answer = session.command(&words)?;
        let Value::Array(answer) = answer else { return Err(not_understood()) };
        let [cursor, deleted] = answer.as_slice() else { return Err(not_understood()) };
        let cursor = cursor.as_text().ok_or_else(not_understood)?;
        let deleted = deleted.as_integer().and_then(|count| u64::try_from(count).ok());
        sweep.deleted = sweep.deleted.saturating_add(deleted.ok_or_else(not_understood)?);
        sweep.cursor = (cursor != "0").then(|| cursor.to_owned());
    }
    Ok(sweep)
}

fn not_understood() -> Error {
    Error::protocol("a script gave something else than it should")
}
