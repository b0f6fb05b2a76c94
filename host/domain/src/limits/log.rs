//! How much all calls of a provider may log together, so that a flood of calls is no flood of log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Limit;

/// What a full allowance lasts for, and how long an empty one takes to be full again.
const PERIOD: Duration = Duration::from_secs(60);

/// A token bucket of bytes, which the calls of one provider on a node share.
#[derive(Debug)]
pub struct LogAllowance {
    bytes_per_minute: u64,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    bytes: f64,
    at: Instant,
}

impl LogAllowance {
    /// So many bytes a minute, and as many at once.
    #[must_use]
    pub fn new(bytes_per_minute: u64) -> Self {
        let left = Left { bytes: bytes_per_minute as f64, at: Instant::now() };
        Self { bytes_per_minute, left: Mutex::new(left) }
    }

    /// The bytes that a minute has.
    #[must_use]
    pub fn bytes_per_minute(&self) -> u64 {
        self.bytes_per_minute
    }

    /// Takes so many bytes, or none if there are fewer.
    pub fn take(&self, bytes: usize) -> bool {
        self.take_at(bytes, Instant::now())
    }

    fn take_at(&self, bytes: usize, now: Instant) -> bool {
        // Two numbers are whole whatever panicked between them.
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let full = self.bytes_per_minute as f64;
        let passed = now.saturating_duration_since(left.at).as_secs_f64() / PERIOD.as_secs_f64();
        *left = Left { bytes: (left.bytes + passed * full).min(full), at: left.at.max(now) };
        let is_there = bytes as f64 <= left.bytes;
        if is_there {
            left.bytes -= bytes as f64;
        }
        is_there
    }
}

impl Default for LogAllowance {
    fn default() -> Self {
        Self::new(Limit::LogBytesPerMinute.default_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_bytes_are_there_at_once_and_come_back_over_a_minute() {
        let allowance = LogAllowance::new(600);
        let start = allowance.left.lock().unwrap().at;
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(allowance.take_at(600, start) && !allowance.take_at(1, start));
        assert!(!allowance.take_at(11, after(1)) && allowance.take_at(10, after(1)));
        assert!(!allowance.take_at(1, after(0)), "time that seems to run backwards brings nothing");
        assert!(!allowance.take_at(601, after(1000)) && allowance.take_at(600, after(1000)), "no more than a minute's");
    }

    #[test]
    fn none_is_none() {
        assert!(!LogAllowance::new(0).take(1));
    }
}
