//! How far long work has come.

use std::time::Duration;

use crate::bindings;
use crate::failure::millis;

/// An answer of `provision_complete` and `deprovision`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is done.
    Done,
    /// It goes on: ask again.
    Pending {
        /// After this delay.
        after: Duration,
        /// What is happening, for the person who waits.
        message: String,
        /// 0 to 100, if known.
        percent: Option<u8>,
    },
}

impl Progress {
    /// It goes on: ask again after the delay.
    pub fn pending(after: Duration, message: impl Into<String>) -> Self {
        Self::Pending { after, message: message.into(), percent: None }
    }

    /// Tells how much of it is done, 0 to 100.
    #[must_use]
    pub fn percent(mut self, done: u8) -> Self {
        if let Self::Pending { percent, .. } = &mut self {
            *percent = Some(done);
        }
        self
    }
}

impl From<Progress> for bindings::Progress {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Done => Self::Done,
            Progress::Pending { after, message, percent } => {
                Self::Pending(bindings::Pending { after_ms: millis(after), message, percent })
            }
        }
    }
}
