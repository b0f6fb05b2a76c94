//! An app is told anew what its addon gives: its owner gives something else now, or it is reached elsewhere.
//!
//! That is an operation like others, but nobody need ask for it again: it begins when nothing else is under way, and is tried until it
//! succeeds. Old credentials may work for days beside the new ones, and the app can't wait for their end with variables that lead nowhere.
//! So it is told between: the provider is asked once more what it was asked when it gave the new ones.

use serde_json::json;

use super::{Event, Next, Step, Transition, Write, operation};
use crate::addon::{Addon, AddonState};
use crate::failure::{GuestFailure, StepFailure};
use crate::history::Entry;
use crate::ids::OperationId;
use crate::operation::{NewOperation, Operation, OperationKind, OperationState, Outdated, Stage};
use crate::retry::FOLLOW_BACKOFF;
use crate::time::StoreTime;

/// How long an operation that has ended stays the last one before the app is told anew, so that whoever waits for it sees how it
/// ended, in milliseconds.
const SEEN_MS: u64 = 5_000;

impl Outdated {
    fn put_off(self, ms: u64, now: StoreTime) -> Self {
        Self { at: now.plus_ms(ms), ..self }
    }

    /// The same after one more failure.
    fn again(self, now: StoreTime) -> Self {
        let failures = self.failures.saturating_add(1);
        Self { failures, at: now.plus_ms(FOLLOW_BACKOFF.wait_ms(failures)), ..self }
    }
}

/// What its app was told may not be so any more.
pub(super) fn outdated(addon: &Addon, operation: OperationId, now: StoreTime) -> Transition {
    let outdated = Outdated { operation, at: now, failures: 0 };
    let next = match (addon.state, addon.running()) {
        // A call that is under way may have asked already: its answer counts no more, and it is made again.
        (AddonState::WaitingForProvision, _) => {
            return Transition { addon: addon.clone(), writes: vec![], next: Next::At(now) };
        }
        (AddonState::Ready, None) => return begin(addon, outdated, now),
        // Whoever follows already follows what is given now, from the beginning.
        (AddonState::Ready, Some(operation)) if operation.kind == OperationKind::Follow => {
            return begin_again(addon, operation, outdated, now);
        }
        (AddonState::Ready, Some(operation)) if operation.stage == Stage::Overlap => Next::At(now),
        _ => Next::Unchanged,
    };
    Transition { addon: Addon { outdated: Some(outdated), ..addon.clone() }, writes: vec![], next }
}

/// A ready addon on which nothing else is under way tells its app.
pub(super) fn begin(addon: &Addon, outdated: Outdated, now: StoreTime) -> Transition {
    let addon = Addon { outdated: Some(outdated), ..addon.clone() };
    operation::requested(&addon, NewOperation::follow(outdated.operation), now)
}

/// Whoever tells its app begins once more. As long as that can be undone, it is what was there when it began first that comes back.
fn begin_again(addon: &Addon, operation: &Operation, outdated: Outdated, now: StoreTime) -> Transition {
    let mut begun = begin(addon, outdated, now);
    if operation.can_be_undone() {
        begun.writes.retain(|write| !matches!(write, Write::BeginOperation(_)));
    }
    begun
}

/// Whether the app is to be told now.
pub(super) fn due(addon: &Addon, now: StoreTime) -> Option<Outdated> {
    addon.outdated.filter(|outdated| outdated.at <= now)
}

/// What is to be told when an operation has ended.
pub(super) fn left_by(operation: &Operation, outdated: Option<Outdated>, now: StoreTime) -> Option<Outdated> {
    match (operation.kind, operation.state) {
        (OperationKind::Follow, OperationState::Succeeded) => None,
        (OperationKind::Follow, _) => {
            let asked = Outdated { operation: operation.id, at: now, failures: 0 };
            Some(outdated.unwrap_or(asked).again(now))
        }
        _ => outdated.map(|outdated| Outdated { at: outdated.at.max(now.plus_ms(SEEN_MS)), ..outdated }),
    }
}

/// What came of telling the app in an overlap, whose end waits for nothing. There is nothing that one that fails could be undone to, so
/// what its last call wrote is not kept.
pub(super) fn in_overlap(addon: &Addon, outdated: Outdated, event: Event, now: StoreTime) -> Option<Transition> {
    let data = json!({ "operation": outdated.operation, "kind": OperationKind::Follow });
    let mut writes = vec![];
    let (entry, outdated) = match event {
        Event::Configured(config) => {
            let call = Write::Record(Entry::call_ok(Step::Complete, "done"));
            let writes = vec![call, Write::ReplaceConfig(config), Write::WakeObjects];
            return Some(Transition { addon: addon.clone(), writes, next: Next::Do(Step::SetVariables) });
        }
        Event::VariablesSet => (Entry::with("operation_succeeded", "follow succeeded", data), None),
        Event::StillPending(pending) => {
            (Entry::call_pending(Step::Complete, &pending), Some(outdated.put_off(pending.after_ms, now)))
        }
        Event::Failed(Step::Complete, failure @ StepFailure::Guest(GuestFailure::Retry { after_ms, .. })) => {
            (Entry::call_failed(Step::Complete, &failure), Some(outdated.put_off(after_ms, now)))
        }
        Event::ConfigRefused { reason, .. } => {
            writes.push(Write::DropResults);
            (Entry::with("operation_failed", reason, data), Some(outdated.again(now)))
        }
        Event::Failed(step @ (Step::Complete | Step::SetVariables), failure) => {
            writes.push(Write::DropResults);
            let call = Entry::call_failed(step, &failure);
            (Entry::end("operation_failed", call.message.clone(), data, Some(call)), Some(outdated.again(now)))
        }
        _ => return None,
    };
    // Whoever wakes it then sees which comes first, that or the end.
    let addon = Addon { outdated, ..addon.clone() };
    writes.push(Write::Record(entry));
    Some(Transition { addon, writes, next: Next::At(now) })
}
