//! What an operator sets for one provider in the place of the defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{CallLimits, INSTANCES_MAX, STACK_BYTES, kept_bytes};
use crate::addon::named;

named! {
    /// A limit that can be set for a provider.
    Limit {
        /// Milliseconds from a call's start to its end, waits included.
        WallMs = "wall_ms",
        /// Milliseconds of CPU that a call may execute; waits in the host are free.
        CpuMs = "cpu_ms",
        /// Bytes of all memories, of all tables and of what the host keeps for a call, together.
        MemoryBytes = "memory_bytes",
        /// Bytes of stack of a call. The engine has one size for all its guests, so this one can't be changed.
        StackBytes = "stack_bytes",
        /// Core instances of a call.
        Instances = "instances",
        /// Bytes that the guest may hand over in one host call, or as its answer.
        HostcallBytes = "hostcall_bytes",
        /// Resources that a call may hold at once.
        Handles = "handles",
        /// Bytes of log that a call may write; the rest is counted and dropped.
        LogBytes = "log_bytes",
        /// Bytes of log that all calls of the provider may write in a minute on one node; the rest is counted and dropped.
        LogBytesPerMinute = "log_bytes_per_minute",
        /// Calls of the provider at the same time on one node.
        CallsAtOnce = "calls_at_once",
    }
}

impl Limit {
    /// How many calls of a provider a node makes at once.
    pub const CALLS_AT_ONCE: u64 = 64;
    /// How many bytes of log a provider may write in a minute on a node.
    const LOG_BYTES_PER_MINUTE: u64 = 1 << 20;

    /// What holds unless the operator says otherwise.
    #[must_use]
    pub fn default_value(self) -> u64 {
        self.of(&CallLimits::default())
    }

    /// The least that it can be set to, so that a provider can do anything at all, and the most, so that one provider's limits do
    /// not undo the host's.
    #[must_use]
    pub const fn bounds(self) -> (u64, u64) {
        match self {
            Self::WallMs => (100, 600_000),
            Self::CpuMs => (10, 60_000),
            Self::MemoryBytes => (4 << 20, 1 << 30),
            Self::StackBytes => (STACK_BYTES as u64, STACK_BYTES as u64),
            Self::Instances => (8, INSTANCES_MAX as u64),
            Self::HostcallBytes => (16 << 10, 16 << 20),
            Self::Handles => (8, 10_000),
            Self::LogBytes => (0, 1 << 20),
            Self::LogBytesPerMinute => (0, 64 << 20),
            Self::CallsAtOnce => (1, Self::CALLS_AT_ONCE),
        }
    }

    /// Whether it can be set to this.
    #[must_use]
    pub fn allows(self, value: u64) -> bool {
        let (min, max) = self.bounds();
        (min..=max).contains(&value)
    }

    /// What holds for all calls alike, or for a provider's calls together, is in no call's limits.
    fn of(self, limits: &CallLimits) -> u64 {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::WallMs => millis(limits.wall),
            Self::CpuMs => millis(limits.cpu),
            Self::MemoryBytes => limits.memory_bytes as u64,
            Self::StackBytes => STACK_BYTES as u64,
            Self::Instances => limits.instances as u64,
            Self::HostcallBytes => limits.hostcall_bytes as u64,
            Self::Handles => limits.handles as u64,
            Self::LogBytes => limits.log_bytes as u64,
            Self::LogBytesPerMinute => Self::LOG_BYTES_PER_MINUTE,
            Self::CallsAtOnce => Self::CALLS_AT_ONCE,
        }
    }

    fn set(self, limits: &mut CallLimits, value: u64) {
        let size = usize::try_from(value).unwrap_or(usize::MAX);
        match self {
            Self::WallMs => limits.wall = Duration::from_millis(value),
            Self::CpuMs => limits.cpu = Duration::from_millis(value),
            Self::MemoryBytes => limits.memory_bytes = size,
            Self::Instances => limits.instances = size,
            Self::HostcallBytes => limits.hostcall_bytes = size,
            Self::Handles => limits.handles = size,
            Self::LogBytes => limits.log_bytes = size,
            Self::StackBytes | Self::LogBytesPerMinute | Self::CallsAtOnce => {}
        }
    }
}

/// The limits that differ from the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderLimits(BTreeMap<Limit, u64>);

/// What a guest has at least beside what the host keeps for it, in bytes.
const GUEST_BYTES_MIN: usize = 2 << 20;

/// A limit that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// No such limit.
    #[error("there is no limit {0:?}; there are {all}", all = all_names())]
    Unknown(String),
    /// It is what it is.
    #[error("{0} can't be changed: it is the same for all providers")]
    Fixed(Limit),
    /// What the host keeps for a call would leave the guest too little.
    #[error(
        "of {memory_bytes} memory_bytes, {kept_bytes} would be kept by the host, for what log_bytes and hostcall_bytes allow; leave the \
         guest {GUEST_BYTES_MIN} at least: raise memory_bytes, or lower the others"
    )]
    NoRoom {
        /// All there would be.
        memory_bytes: u64,
        /// What the host keeps of it.
        kept_bytes: u64,
    },
    /// Beyond its bounds.
    #[error("{limit} is {value}; it can be {min} to {max}")]
    Beyond {
        /// Which.
        limit: Limit,
        /// What it was to be.
        value: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
}

fn all_names() -> String {
    Limit::ALL.iter().map(|limit| limit.as_str()).collect::<Vec<_>>().join(", ")
}

impl ProviderLimits {
    /// Reads limits by their names.
    ///
    /// # Errors
    /// The first one that can't be.
    pub fn parse<'a>(named: impl IntoIterator<Item = (&'a str, u64)>) -> Result<Self, LimitError> {
        let one = |(name, value): (&str, u64)| {
            let limit = Limit::from_name(name).ok_or_else(|| LimitError::Unknown(name.to_owned()))?;
            let (min, max) = limit.bounds();
            match limit.allows(value) {
                true => Ok((limit, value)),
                false if min == max => Err(LimitError::Fixed(limit)),
                false => Err(LimitError::Beyond { limit, value, min, max }),
            }
        };
        let limits = named.into_iter().map(one).collect::<Result<_, _>>().map(Self)?;
        limits.leave_room().map(|()| limits)
    }

    /// Whether a guest has memory beside what the host keeps for it.
    fn leave_room(&self) -> Result<(), LimitError> {
        let limits = self.over(CallLimits::default());
        let kept = kept_bytes(limits.log_bytes, limits.hostcall_bytes);
        if kept.saturating_add(GUEST_BYTES_MIN) <= limits.memory_bytes {
            return Ok(());
        }
        Err(LimitError::NoRoom { memory_bytes: limits.memory_bytes as u64, kept_bytes: kept as u64 })
    }

    /// Those that were set.
    pub fn set(&self) -> impl Iterator<Item = (Limit, u64)> {
        self.0.iter().map(|(limit, value)| (*limit, *value))
    }

    /// What holds.
    #[must_use]
    pub fn value(&self, limit: Limit) -> u64 {
        self.0.get(&limit).copied().unwrap_or_else(|| limit.default_value())
    }

    /// These in the place of a call's limits.
    #[must_use]
    pub fn over(&self, mut limits: CallLimits) -> CallLimits {
        self.set().for_each(|(limit, value)| limit.set(&mut limits, value));
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_holds_and_the_rest_stays() {
        let limits = ProviderLimits::parse([("cpu_ms", 5_000), ("calls_at_once", 1)]).unwrap();
        let over = limits.over(CallLimits::default());
        assert_eq!(over, CallLimits { cpu: Duration::from_secs(5), ..CallLimits::default() });
        assert_eq!((limits.value(Limit::CallsAtOnce), limits.value(Limit::WallMs)), (1, 30_000));
    }

    #[test]
    fn each_limit_can_be_set_within_its_bounds_and_not_beyond() {
        for limit in Limit::ALL {
            let (min, max) = limit.bounds();
            assert!((min..=max).contains(&limit.default_value()), "{limit}");
            for value in [min, max] {
                let set = ProviderLimits::parse([(limit.as_str(), value)]).unwrap();
                assert_eq!(set.value(*limit), value);
                let is_of_a_call = !matches!(limit, Limit::StackBytes | Limit::LogBytesPerMinute | Limit::CallsAtOnce);
                assert_eq!(
                    limit.of(&set.over(CallLimits::default())) == value,
                    is_of_a_call || value == limit.default_value(),
                    "{limit}"
                );
            }
            for beyond in [min.checked_sub(1), Some(max + 1)].into_iter().flatten() {
                let error = ProviderLimits::parse([(limit.as_str(), beyond)]).unwrap_err().to_string();
                let says = if min == max { "can't be changed".to_owned() } else { max.to_string() };
                assert!(error.contains(limit.as_str()) && error.contains(&says), "{error}");
            }
        }
        let greedy = [("hostcall_bytes", 16 << 20), ("memory_bytes", 4 << 20)];
        assert!(ProviderLimits::parse(greedy).unwrap_err().to_string().contains("raise memory_bytes"));
        ProviderLimits::parse([("hostcall_bytes", 16 << 20), ("memory_bytes", 32 << 20)]).unwrap();
        assert!(ProviderLimits::parse([("stack", 1)]).unwrap_err().to_string().contains("wall_ms, cpu_ms"));
    }
}
