//! The bounds of one call into a guest, and of what it may answer.

mod log;
mod provider;

use std::time::Duration;

pub use log::LogAllowance;
pub use provider::{Limit, LimitError, ProviderLimits};

/// The longest reason or message that a guest may give, in bytes; longer ones are cut.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// The longest delay that a guest may ask for, in milliseconds; longer ones are cut.
pub const AFTER_MS_MAX: u64 = 3_600_000;
/// The shortest; a provider that asks for less is called again after this, so that it can't make the host spin.
pub const AFTER_MS_MIN: u64 = 250;
/// How many variables, and how many credentials, an addon may have.
pub const CONFIG_ENTRIES_MAX: usize = 64;
/// The longest value of a variable or credential, in bytes (Linux refuses strings from 128 KiB on in an environment).
pub const VALUE_BYTES_MAX: usize = 32 * 1024;
/// All keys and values of an addon's state together, in bytes.
pub const STATE_BYTES_MAX: usize = 256 * 1024;
/// The longest key in an addon's state, in bytes.
pub const STATE_KEY_BYTES_MAX: usize = 256;
/// The longest password that can be derived, in characters.
pub const PASSWORD_CHARS_MAX: u32 = 256;
/// The longest manifest, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 256 * 1024;
/// The longest parameters of an addon, as JSON, in bytes.
pub const PARAMETERS_BYTES_MAX: usize = 64 * 1024;

/// Core instances in one component. A small Python provider has 14.
pub const INSTANCES_MAX: usize = 32;

/// The stack of a guest, in bytes.
pub const STACK_BYTES: usize = 512 * 1024;

/// What the host keeps for a call from the beginning, in bytes: its log, its addon's state, and the arguments of one host call.
#[must_use]
pub const fn kept_bytes(log_bytes: usize, hostcall_bytes: usize) -> usize {
    log_bytes.saturating_add(hostcall_bytes).saturating_add(STATE_BYTES_MAX)
}

/// What one call may use. A call that passes a bound fails with that bound's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Time from start to end, waits included.
    pub wall: Duration,
    /// Time of executed CPU; waits in host calls are free.
    pub cpu: Duration,
    /// Bytes of all linear memories, of all tables and of what the host keeps for the call, together.
    pub memory_bytes: usize,
    /// Core instances.
    pub instances: usize,
    /// Bytes that the guest may hand over in one host call or as its answer.
    pub hostcall_bytes: usize,
    /// Resources that the guest may hold at once.
    pub handles: usize,
    /// Bytes of log; the rest is counted and dropped.
    pub log_bytes: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(30),
            cpu: Duration::from_secs(2),
            memory_bytes: 64 * 1024 * 1024,
            instances: INSTANCES_MAX,
            hostcall_bytes: 1024 * 1024,
            handles: 1000,
            log_bytes: 64 * 1024,
        }
    }
}
