//! How long to wait before something is tried again.

/// Exponential back-off: doubles from `first_ms` up to `longest_ms`. Without jitter: due work is taken by few
/// workers from one queue, which spreads it already, and what is predictable can be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, in milliseconds.
    pub first_ms: u64,
    /// No wait is longer than this, in milliseconds.
    pub longest_ms: u64,
}

impl Backoff {
    /// The wait after so many failures in a row, in milliseconds.
    #[must_use]
    pub fn wait_ms(self, failures: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(32);
        self.first_ms.saturating_mul(1 << doublings).min(self.longest_ms)
    }
}

/// After a trap, a limit, or a fault of the host's.
pub const CALL_BACKOFF: Backoff = Backoff { first_ms: 1_000, longest_ms: 60_000 };
/// After the app's sink refused the variables.
pub const SINK_BACKOFF: Backoff = Backoff { first_ms: 500, longest_ms: 15_000 };
/// After an app could not be told anew what its addon gives.
pub const FOLLOW_BACKOFF: Backoff = Backoff { first_ms: 30_000, longest_ms: 900_000 };
/// After a failed `deprovision`.
pub const CLEANUP_BACKOFF: Backoff = Backoff { first_ms: 2_000, longest_ms: 300_000 };
/// Once the host has given up on the provider and only the external part is left: daily.
pub const CLEANUP_DAILY_MS: u64 = 24 * 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> = (1..=8).map(|n| CALL_BACKOFF.wait_ms(n)).collect();
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(CALL_BACKOFF.wait_ms(u32::MAX), 60_000);
    }
}
