//! What it means that a step did not succeed: it is done again after a while, or whatever it was a part of ends. That is the same for
//! an addon that is being made and for an operation on one; only the end differs.

use super::{Next, Step, Transition, Write, undisturbed};
use crate::addon::Addon;
use crate::failure::{Fault, GuestFailure, StepFailure};
use crate::history::Entry;
use crate::retry::CALL_BACKOFF;
use crate::time::StoreTime;

/// A call did not succeed: it is made again, or this is the end.
pub(super) fn tried(
    addon: &Addon,
    step: Step,
    failure: StepFailure,
    now: StoreTime,
    end: impl FnOnce(&Addon, &str, String, Entry) -> Transition,
) -> Transition {
    let entry = Entry::call_failed(step, &failure);
    match failure {
        StepFailure::Guest(GuestFailure::Rejected(reason)) => end(addon, "provider_rejected", reason, entry),
        StepFailure::Guest(GuestFailure::Failed(reason)) => end(addon, "provider_failed", reason, entry),
        StepFailure::ProviderGone(reason) => end(addon, "provider_gone", reason, entry),
        StepFailure::Guest(GuestFailure::Retry { after_ms, reason }) => {
            again(undisturbed(addon).saying(reason), entry, after_ms, now)
        }
        StepFailure::Fault(Fault { code, detail }) => {
            let attempts = addon.attempts.saturating_add(1);
            let next = Addon { attempts, ..addon.clone() }.saying(detail.clone());
            if attempts >= addon.attempts_max {
                return end(&next, code.as_str(), detail, entry);
            }
            again(next, entry, CALL_BACKOFF.wait_ms(attempts), now)
        }
        StepFailure::Host(reason) => {
            let host_faults = addon.host_faults.saturating_add(1);
            let next = Addon { host_faults, ..addon.clone() }.saying(reason);
            again(next, entry, CALL_BACKOFF.wait_ms(host_faults), now)
        }
    }
}

/// The step is done again after so long.
pub(super) fn again(mut addon: Addon, entry: Entry, after_ms: u64, now: StoreTime) -> Transition {
    addon.patience = addon.patience.tick(now, after_ms);
    Transition { addon, writes: vec![Write::Record(entry)], next: Next::At(now.plus_ms(after_ms)) }
}
