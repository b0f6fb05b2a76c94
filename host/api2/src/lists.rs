//! Lists in portions.

use larder_control::{Code, ControlError};

/// How many entries a list has unless more are asked for.
const COUNT: usize = 100;
/// How many entries a list has at most.
const COUNT_MAX: usize = 1000;

/// How many entries to give: `?limit=`.
pub(crate) fn count(limit: Option<usize>) -> Result<usize, ControlError> {
    match limit {
        None => Ok(COUNT),
        Some(limit) if (1..=COUNT_MAX).contains(&limit) => Ok(limit),
        Some(limit) => {
            Err(ControlError::refused(Code::InvalidQuery, format!("limit is {limit}; use 1 to {COUNT_MAX}")))
        }
    }
}

/// Where the next portion begins, if this one was full.
pub(crate) fn next<T, I: ToString>(entries: &[T], count: usize, id: impl Fn(&T) -> I) -> Option<String> {
    entries.last().filter(|_| entries.len() == count).map(|last| id(last).to_string())
}
