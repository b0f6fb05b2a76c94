//! What becomes of an addon once it is terminal: its provider is asked to remove what it made, until it says that it did.

use serde_json::json;

use super::{Event, Illegal, Next, Step, Transition, Write};
use crate::addon::{Addon, AddonState, Cleanup, Patience};
use crate::failure::{Pending, StepFailure};
use crate::history::Entry;
use crate::retry::{CALL_BACKOFF, CLEANUP_BACKOFF, CLEANUP_DAILY_MS};
use crate::time::StoreTime;

/// A user wants the addon gone. Never refused, never waits, and saying it twice is no error.
pub(super) fn requested(addon: &Addon, now: StoreTime) -> Transition {
    match addon.state {
        // Whoever asks again has mended something, and will not wait for tomorrow.
        AddonState::Deprovisioned | AddonState::Error if matches!(addon.cleanup, Cleanup::Failing { .. }) => {
            let entry = Entry::new("delete_requested", "its removal is tried again");
            begin(Addon { delete_wanted: true, ..addon.clone() }, vec![Write::Record(entry)], now)
        }
        AddonState::Deprovisioned if addon.grace.is_some() => {
            let entry = Entry::new("delete_requested", "what it holds is no longer kept");
            begin(addon.clone(), vec![Write::Record(entry)], now)
        }
        AddonState::Deprovisioned => unchanged(addon),
        AddonState::Error if addon.delete_wanted => unchanged(addon),
        AddonState::Error => {
            let next = Addon { delete_wanted: true, ..addon.clone() };
            begin(next, vec![Write::Record(Entry::new("delete_requested", "a user wants it gone"))], now)
        }
        _ => {
            let entry = Entry::new("deprovisioned", "removed at a user's wish");
            let message = "removed at a user's wish".to_owned();
            let next = Addon {
                state: AddonState::Deprovisioned,
                delete_wanted: true,
                message,
                percent: None,
                ..addon.clone()
            };
            begin(next, vec![Write::ReleaseVariables, Write::Record(entry)], now)
        }
    }
}

/// Starts the cleanup of an addon that has just become terminal, or whose deletion was asked for again.
pub(super) fn begin(addon: Addon, mut writes: Vec<Write>, now: StoreTime) -> Transition {
    let addon = Addon { grace: None, ..addon };
    if !addon.begin_intended {
        writes.extend([Write::ForgetState, Write::ForgetConfig]);
        return Transition { addon: Addon { cleanup: Cleanup::None, ..addon }, writes, next: Next::Rest };
    }
    let patience = Patience::new(Addon::CLEANUP_PENDING_LIMIT_MS, now);
    let addon = Addon { cleanup: Cleanup::Pending, host_faults: 0, patience, ..addon };
    Transition { addon, writes, next: Next::At(now) }
}

/// What came of a call of `deprovision`.
pub(super) fn advance(addon: &Addon, event: Event, now: StoreTime) -> Result<Transition, Illegal> {
    match event {
        Event::CleanedUp => Ok(done(addon)),
        Event::CleanupPending(pending) => Ok(pending_answer(addon, &pending, now)),
        Event::Failed(Step::Deprovision, failure) => Ok(failed(addon, &failure, now)),
        other => Err(Illegal { event: other.name(), state: addon.state, cleanup: addon.cleanup.as_str() }),
    }
}

fn done(addon: &Addon) -> Transition {
    let writes = vec![
        Write::ForgetState,
        Write::ForgetConfig,
        Write::Record(Entry::call_ok(Step::Deprovision, "nothing of it is left")),
    ];
    let addon = Addon { cleanup: Cleanup::Done, host_faults: 0, ..addon.clone() };
    Transition { addon, writes, next: Next::Rest }
}

fn pending_answer(addon: &Addon, pending: &Pending, now: StoreTime) -> Transition {
    let patience = addon.patience.tick(now, pending.after_ms);
    if patience.is_exhausted() {
        let reason = format!("`deprovision` was still pending after {} s", patience.limit_ms / 1000);
        let next = Addon { patience: Patience::new(Addon::CLEANUP_PENDING_LIMIT_MS, now), ..addon.clone() };
        return attempt_failed(
            &next,
            Entry::with("call", reason, json!({ "call": "deprovision", "outcome": "overdue" })),
            now,
        );
    }
    let entry = Entry::call_pending(Step::Deprovision, pending);
    let addon = Addon { patience, host_faults: 0, ..addon.clone() };
    Transition { addon, writes: vec![Write::Record(entry)], next: Next::At(now.plus_ms(pending.after_ms)) }
}

fn failed(addon: &Addon, failure: &StepFailure, now: StoreTime) -> Transition {
    let entry = Entry::call_failed(Step::Deprovision, failure);
    match failure {
        StepFailure::Host(_) => {
            let host_faults = addon.host_faults.saturating_add(1);
            let addon = Addon { host_faults, ..addon.clone() };
            let next = Next::At(now.plus_ms(CALL_BACKOFF.wait_ms(host_faults)));
            Transition { addon, writes: vec![Write::Record(entry)], next }
        }
        // Nobody is left to ask, so the host need not try five times before it removes its own objects.
        StepFailure::ProviderGone(_) => {
            let attempts = Addon::CLEANUP_ATTEMPTS_MAX.saturating_sub(1);
            let alone = Addon { cleanup: failing(addon, attempts, &entry.message), ..addon.clone() };
            attempt_failed(&alone, entry, now)
        }
        StepFailure::Guest(_) | StepFailure::Fault(_) => attempt_failed(addon, entry, now),
    }
}

fn attempt_failed(addon: &Addon, entry: Entry, now: StoreTime) -> Transition {
    let attempts = attempts_of(addon).saturating_add(1);
    let cleanup = Cleanup::Failing { attempts, last_error: entry.message.clone() };
    let mut writes = vec![Write::Record(entry)];
    let wait_ms =
        if attempts < Addon::CLEANUP_ATTEMPTS_MAX { CLEANUP_BACKOFF.wait_ms(attempts) } else { CLEANUP_DAILY_MS };
    if attempts == Addon::CLEANUP_ATTEMPTS_MAX {
        let message = "the host removed its own objects; the provider is asked again daily about the rest";
        let entry = Entry::new("cleanup_without_provider", message);
        // What the provider knows of the rest stays until it has removed that: without it, it could only say that all is done.
        writes.push(Write::Record(entry));
    }
    let addon = Addon { cleanup, host_faults: 0, ..addon.clone() };
    Transition { addon, writes, next: Next::At(now.plus_ms(wait_ms)) }
}

fn failing(addon: &Addon, at_least: u32, last_error: &str) -> Cleanup {
    Cleanup::Failing { attempts: attempts_of(addon).max(at_least), last_error: last_error.to_owned() }
}

const fn attempts_of(addon: &Addon) -> u32 {
    match addon.cleanup {
        Cleanup::Failing { attempts, .. } => attempts,
        _ => 0,
    }
}

pub(super) fn unchanged(addon: &Addon) -> Transition {
    Transition { addon: addon.clone(), writes: vec![], next: Next::Unchanged }
}
