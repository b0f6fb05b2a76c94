//! Moments as the API tells them: RFC 3339, UTC, with milliseconds.

use larder_domain::WallTime;
use serde::{Serialize, Serializer};

/// A moment on the wire: `2026-01-31T08:09:10.011Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp(WallTime);

impl From<WallTime> for Timestamp {
    fn from(time: WallTime) -> Self {
        Self(time)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
