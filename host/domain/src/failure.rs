//! How a call into a guest can end otherwise than well.

use crate::addon::named;
use crate::limits::{AFTER_MS_MAX, AFTER_MS_MIN, MESSAGE_BYTES_MAX};

/// What a guest says when it can't. Its texts and delays are within bounds already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestFailure {
    /// The request is wrong and will stay wrong.
    Rejected(String),
    /// Not now.
    Retry {
        /// When to ask again, in milliseconds.
        after_ms: u64,
        /// What went wrong this time.
        reason: String,
    },
    /// It will not work.
    Failed(String),
}

named! {
    /// A bound that a call passed, or another way in which a guest broke down. The code of the failed attempt.
    FaultCode {
        /// The guest trapped or panicked.
        Trap = "provider_trapped",
        /// It computed for too long.
        CpuLimit = "cpu_limit",
        /// It took too long, waits included.
        WallLimit = "wall_limit",
        /// It wanted more memory than it may have.
        MemoryLimit = "memory_limit",
        /// It recursed too deeply.
        StackLimit = "stack_limit",
        /// It handed over too much at once.
        HostcallLimit = "hostcall_limit",
        /// It is made of more instances than it may be.
        InstanceLimit = "instance_limit",
        /// It held too many resources.
        HandleLimit = "handle_limit",
        /// It answered something that no provider may answer.
        InvalidAnswer = "invalid_answer",
        /// The host itself could not run it, and the guest is not to blame: to be treated as [`StepFailure::Host`].
        Host = "host_fault",
    }
}

/// A guest that broke down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which bound, or how else.
    pub code: FaultCode,
    /// What was found, what is allowed, and the guest's last words, for the person who reads it.
    pub detail: String,
}

/// Why one step of an addon did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepFailure {
    /// The guest said so.
    Guest(GuestFailure),
    /// The guest broke down.
    Fault(Fault),
    /// The host itself could not: its store, its engine. Never the guest's fault.
    Host(String),
    /// The provider, or its active version, is gone.
    ProviderGone(String),
}

/// Work that goes on elsewhere; within bounds already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// When to ask again, in milliseconds.
    pub after_ms: u64,
    /// What is happening.
    pub message: String,
    /// 0 to 100.
    pub percent: Option<u8>,
}

impl Pending {
    /// Takes what a guest said, cut to the bounds.
    #[must_use]
    pub fn bounded(after_ms: u64, message: String, percent: Option<u8>) -> Self {
        Self {
            after_ms: after_ms.clamp(AFTER_MS_MIN, AFTER_MS_MAX),
            message: bounded_text(message),
            percent: percent.map(|p| p.min(100)),
        }
    }
}

/// Cuts a guest's text to [`MESSAGE_BYTES_MAX`] and replaces control characters, so that no terminal obeys it.
#[must_use]
pub fn bounded_text(mut text: String) -> String {
    if text.chars().any(is_unprintable) {
        text = text.chars().map(|c| if is_unprintable(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    }
    if text.len() > MESSAGE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX - '…'.len_utf8()));
        text.push('…');
    }
    text
}

fn is_unprintable(c: char) -> bool {
    // Beside the control characters, the marks that turn the direction of writing can make a text look like another.
    (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_on_a_character_and_lose_their_escapes() {
        let long = bounded_text("ä".repeat(MESSAGE_BYTES_MAX));
        assert!(long.len() <= MESSAGE_BYTES_MAX && long.ends_with('…'));
        assert!(bounded_text("\0".repeat(MESSAGE_BYTES_MAX)).len() <= MESSAGE_BYTES_MAX);
        assert_eq!(bounded_text("a\u{1b}[31mb\r\nc".into()), "a\u{fffd}[31mb\u{fffd}\nc");
        assert_eq!(Pending::bounded(u64::MAX, String::new(), Some(255)).percent, Some(100));
        assert_eq!(Pending::bounded(0, String::new(), None).after_ms, AFTER_MS_MIN, "nobody is asked in a tight loop");
    }
}
