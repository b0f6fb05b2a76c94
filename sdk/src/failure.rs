//! Why a call did not succeed.

use std::fmt;
use std::time::Duration;

use crate::{bindings, state};

/// A call that did not succeed. The reason is shown to people: say what is wrong and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The request is wrong and will stay wrong.
    Rejected(String),
    /// Not now: ask again after the delay.
    Retry(Duration, String),
    /// It will not work.
    Failed(String),
}

impl Failure {
    /// The request is wrong and will stay wrong.
    pub fn rejected(reason: impl Into<String>) -> Self {
        Self::Rejected(reason.into())
    }

    /// Not now: ask again after the delay.
    pub fn retry_after(delay: Duration, reason: impl Into<String>) -> Self {
        Self::Retry(delay, reason.into())
    }

    /// It will not work.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(reason) | Self::Retry(_, reason) | Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Failure {}

impl From<state::Error> for Failure {
    fn from(error: state::Error) -> Self {
        let reason = error.to_string();
        match error {
            // What answers a superseded call is not used; it must only not sound final.
            state::Error::Unavailable(_) | state::Error::Superseded => {
                Self::retry_after(Duration::from_secs(1), reason)
            }
            _ => Self::failed(reason),
        }
    }
}

impl From<Failure> for bindings::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected(reason) => Self::Rejected(reason),
            Failure::Failed(reason) => Self::Failed(reason),
            Failure::Retry(delay, reason) => Self::Retry(bindings::RetryLater { after_ms: millis(delay), reason }),
        }
    }
}

/// Milliseconds as the contract counts them; the host cuts what is too long.
pub(crate) fn millis(delay: Duration) -> u32 {
    u32::try_from(delay.as_millis()).unwrap_or(u32::MAX)
}
