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

impl Timestamp {
    /// To the second, for names of files: `20260131T080910Z`.
    pub(crate) fn compact(self) -> String {
        let mut text = self.0.to_string().replace(['-', ':'], "");
        text.truncate("20260131T080910".len());
        text + "Z"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_names_of_files_there_are_no_signs() {
        assert_eq!(Timestamp(WallTime(0)).compact(), "19700101T000000Z");
    }
}
