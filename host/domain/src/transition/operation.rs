//! What becomes of a ready addon: operations on it, and whether it works.
//!
//! An operation is driven like provisioning, by the same steps where it needs the same. What differs is how it fails: the addon
//! stays `ready`. Until the app is given something new, a failed operation is *undone*: the provider's state and the wanted objects
//! are again what they were when it began.

use serde_json::json;

use super::attempt::{again, tried};
use super::{Event, Illegal, Next, Step, Transition, Write, follow};
use crate::addon::{Addon, AddonError, Patience};
use crate::config::AddonConfig;
use crate::failure::{Pending, StepFailure};
use crate::history::Entry;
use crate::operation::{Health, HealthState, NewOperation, Operation, OperationKind, OperationState, Stage};
use crate::retry::SINK_BACKOFF;
use crate::time::StoreTime;

/// A user wants something done to a ready addon on which nothing is under way.
pub(super) fn requested(addon: &Addon, wish: NewOperation, now: StoreTime) -> Transition {
    let operation = Operation::new(&wish);
    let data = json!({ "operation": operation.id, "kind": operation.kind });
    let entry = Entry::with("operation_requested", format!("{} was asked for", operation.kind), data);
    let patience = Patience::new(wish.deadline_ms, now);
    let addon = Addon { operation: Some(operation), patience, attempts: 0, host_faults: 0, ..addon.clone() };
    let writes = vec![Write::BeginOperation(Box::new(wish)), Write::Record(entry)];
    Transition { addon, writes, next: Next::At(now) }
}

/// What an addon needs on which nothing is under way.
fn idle(addon: &Addon, now: StoreTime) -> Transition {
    if let Some(outdated) = follow::due(addon, now) {
        return Transition { next: Next::Do(Step::Complete), ..follow::begin(addon, outdated, now) };
    }
    let next = if addon.health_every_ms.is_some() { Next::Do(Step::CheckHealth) } else { rest(addon, now) };
    Transition { addon: addon.clone(), writes: vec![], next }
}

/// What a ready addon needs now.
pub(super) fn woken(addon: &Addon, now: StoreTime) -> Transition {
    let Some(operation) = addon.running() else { return idle(addon, now) };
    let mut addon = addon.clone();
    addon.patience = addon.patience.tick(now, 0);
    let is_over = addon.patience.is_exhausted();
    let step = match operation.stage {
        Stage::Overlap if is_over => {
            return Transition {
                addon: ending(&addon, operation, now),
                writes: vec![],
                next: Next::Do(Step::EndRotation),
            };
        }
        Stage::Overlap => {
            let left_ms = addon.patience.limit_ms.saturating_sub(addon.patience.waited_ms);
            addon.patience.expected_ms = left_ms;
            let is_told = follow::due(&addon, now).is_some();
            let next = if is_told { Next::Do(Step::Complete) } else { sooner(Some(now.plus_ms(left_ms)), &addon) };
            return Transition { addon, writes: vec![], next };
        }
        Stage::Stream if is_over => {
            let reason = format!("nothing has flowed for {} s", Operation::STREAM_IDLE_MS / 1000);
            return failed(&addon, operation, "transfer_idle", reason, None, now);
        }
        Stage::Stream => {
            let left_ms = addon.patience.limit_ms.saturating_sub(addon.patience.waited_ms);
            return Transition { addon, writes: vec![], next: Next::At(now.plus_ms(left_ms)) };
        }
        _ if is_over => {
            let reason = format!("it had not succeeded after {} s", addon.patience.limit_ms / 1000);
            let sets = operation.stage == Stage::SetVariables;
            let code = if sets { "variables_not_set" } else { "operation_deadline" };
            return failed(&addon, operation, code, reason, None, now);
        }
        Stage::Begin => match operation.kind {
            OperationKind::Update => Step::BeginUpdate,
            OperationKind::Rotate => Step::BeginRotation,
            OperationKind::Export => Step::BeginExport,
            OperationKind::Import => Step::BeginImport,
            OperationKind::Follow => Step::Complete,
        },
        Stage::Complete => Step::Complete,
        Stage::SetVariables => Step::SetVariables,
        Stage::End => Step::EndRotation,
    };
    Transition { addon, writes: vec![], next: Next::Do(step) }
}

/// What came of a step of a ready addon.
pub(super) fn advance(addon: &Addon, event: Event, now: StoreTime) -> Result<Transition, Illegal> {
    use Stage::{Begin, Complete, End, Overlap, SetVariables, Stream};
    let name = event.name();
    let illegal = || Illegal { event: name, state: addon.state, cleanup: addon.cleanup.as_str() };
    let (operation, event) = match (addon.running(), event) {
        (_, Event::HealthNoted(health)) => return Ok(noted(addon, health)),
        (None, event) => return at_rest(addon, event, now).ok_or_else(illegal),
        (Some(operation), event) => (operation, event),
    };
    Ok(match (operation.stage, event) {
        (Begin, Event::Begun { message }) if !operation.kind.is_transfer() => begun(addon, operation, message, now),
        (Begin, Event::TransferBegun(described)) if operation.kind.is_transfer() => {
            let addon = at(addon, operation, Stream, "the data can flow");
            let addon = Addon { patience: Patience::new(Operation::STREAM_IDLE_MS, now), ..addon };
            let writes = vec![Write::Record(call_ok(operation)), Write::KeepTransfer(described), Write::WakeObjects];
            Transition { addon, writes, next: Next::At(now.plus_ms(Operation::STREAM_IDLE_MS)) }
        }
        (Complete | End, Event::StillPending(pending)) => still_pending(addon, operation, pending, now),
        (Complete, Event::Configured(config)) => configured(addon, operation, config, now),
        (Complete, Event::ConfigRefused { code, reason }) => failed(addon, operation, code, reason, None, now),
        (SetVariables, Event::VariablesSet) => variables_set(addon, operation, now),
        (SetVariables, Event::Failed(Step::SetVariables, failure)) => {
            let host_faults = addon.host_faults.saturating_add(1);
            let entry = Entry::call_failed(Step::SetVariables, &failure);
            again(Addon { host_faults, ..addon.clone() }, entry, SINK_BACKOFF.wait_ms(host_faults), now)
        }
        (End, Event::RotationEnded) => {
            succeeded(addon, operation, vec![Write::Record(Entry::call_ok(Step::EndRotation, "done"))], now)
        }
        (Stream, Event::Transferred { bytes }) => {
            let operation = Operation { bytes, message: "the data flow".to_owned(), ..operation.clone() };
            let patience = Patience::new(Operation::STREAM_IDLE_MS, now);
            let addon = Addon { operation: Some(operation), patience, ..addon.clone() };
            Transition { addon, writes: vec![], next: Next::At(now.plus_ms(Operation::STREAM_IDLE_MS)) }
        }
        (Begin, Event::TransferEnded { result: Err(reason), .. }) if operation.kind.is_transfer() => {
            failed(addon, operation, "transfer_failed", reason, None, now)
        }
        (Stream, Event::TransferEnded { bytes, result }) => {
            let operation = Operation { bytes, ..operation.clone() };
            match result {
                Ok(()) => succeeded(addon, &operation, vec![], now),
                Err(reason) => failed(addon, &operation, "transfer_failed", reason, None, now),
            }
        }
        (Begin | Complete | End, Event::Failed(step, failure)) => step_failed(addon, operation, step, failure, now),
        (Overlap, event) => {
            let told = addon.outdated.and_then(|outdated| follow::in_overlap(addon, outdated, event, now));
            told.ok_or_else(illegal)?
        }
        _ => return Err(illegal()),
    })
}

/// What came of a look at an addon on which nothing is under way.
fn at_rest(addon: &Addon, event: Event, now: StoreTime) -> Option<Transition> {
    match event {
        Event::HealthChecked(health) => Some(checked(addon, health, now)),
        Event::HealthNotOffered => {
            let addon = Addon { health_every_ms: None, ..addon.clone() };
            Some(Transition { next: rest(&addon, now), addon, writes: vec![] })
        }
        Event::Failed(Step::CheckHealth, failure) => Some(unknown(addon, &failure, now)),
        _ => None,
    }
}

/// The addon with its operation broken off, as when it is deleted. What the operation kept goes with it.
pub(super) fn broken_off(addon: &Addon, why: &str) -> (Addon, Vec<Write>) {
    let Some(operation) = addon.running() else { return (addon.clone(), vec![]) };
    let error = Some(AddonError { code: Operation::BROKEN_OFF.to_owned(), reason: why.to_owned() });
    let operation =
        Operation { state: OperationState::Failed, message: why.to_owned(), error, percent: None, ..operation.clone() };
    (Addon { operation: Some(operation), ..addon.clone() }, vec![Write::ForgetOperation])
}

/// The same of an addon that can be had back: what can be taken back of the operation is, so that the addon comes back whole.
pub(super) fn interrupted(addon: &Addon, why: &str) -> (Addon, Vec<Write>) {
    let undo = addon.running().is_some_and(Operation::can_be_undone).then_some(Write::UndoOperation);
    let (addon, writes) = broken_off(addon, why);
    (addon, undo.into_iter().chain(writes).collect())
}

/// A rotation whose new credentials the app has.
fn ending(addon: &Addon, operation: &Operation, now: StoreTime) -> Addon {
    let patience = Patience::new(Addon::CLEANUP_PENDING_LIMIT_MS, now);
    Addon { patience, ..at(addon, operation, Stage::End, "the old credentials end") }
}

/// An addon that is ready goes on with the rotation that its deletion broke off. Whoever rotates credentials because somebody else has
/// them relies on their end.
pub(super) fn resumed(addon: &Addon, now: StoreTime) -> Option<Addon> {
    let operation = addon.operation.as_ref().filter(|operation| operation.has_left_old_credentials())?;
    let operation = Operation { state: OperationState::Running, error: None, ..operation.clone() };
    Some(ending(addon, &operation, now))
}

/// The operation at another stage, after a typed answer.
fn at(addon: &Addon, operation: &Operation, stage: Stage, message: &str) -> Addon {
    let operation = Operation { stage, message: message.to_owned(), percent: None, ..operation.clone() };
    Addon { operation: Some(operation), attempts: 0, host_faults: 0, ..addon.clone() }
}

const fn step_of(operation: &Operation) -> Step {
    match (operation.stage, operation.kind) {
        (Stage::Begin, OperationKind::Update) => Step::BeginUpdate,
        (Stage::Begin, OperationKind::Rotate) => Step::BeginRotation,
        (Stage::Begin, OperationKind::Export) => Step::BeginExport,
        (Stage::Begin, OperationKind::Import) => Step::BeginImport,
        (Stage::SetVariables, _) => Step::SetVariables,
        (Stage::End | Stage::Overlap, _) => Step::EndRotation,
        (Stage::Begin | Stage::Complete | Stage::Stream, _) => Step::Complete,
    }
}

fn call_ok(operation: &Operation) -> Entry {
    Entry::call_ok(step_of(operation), "done")
}

fn begun(addon: &Addon, operation: &Operation, message: String, now: StoreTime) -> Transition {
    let entry = Entry::call_ok(step_of(operation), message.clone());
    let addon = Addon { patience: addon.patience.tick(now, 0), ..at(addon, operation, Stage::Complete, &message) };
    Transition { addon, writes: vec![Write::Record(entry)], next: Next::Do(Step::Complete) }
}

fn still_pending(addon: &Addon, operation: &Operation, pending: Pending, now: StoreTime) -> Transition {
    let entry = Entry::call_pending(step_of(operation), &pending);
    let patience = addon.patience.tick(now, pending.after_ms);
    let next = Next::At(now.plus_ms(pending.after_ms));
    let operation = Operation { message: pending.message, percent: pending.percent, ..operation.clone() };
    let addon = Addon { operation: Some(operation), patience, attempts: 0, host_faults: 0, ..addon.clone() };
    Transition { addon, writes: vec![Write::Record(entry)], next }
}

/// From here on there is no way back: the app is given what is new.
fn configured(addon: &Addon, operation: &Operation, config: Box<AddonConfig>, now: StoreTime) -> Transition {
    let mut writes = vec![Write::Record(Entry::call_ok(Step::Complete, "done")), Write::ReplaceConfig(config)];
    if operation.kind == OperationKind::Update {
        writes.push(Write::AdoptChange);
    }
    // What it has removed goes now, and what ended meanwhile was its provider's to decide about, and no longer is.
    writes.push(Write::WakeObjects);
    let generation = addon.generation_in_calls();
    let patience = Patience::new(Addon::SINK_LIMIT_MS, now);
    let addon = Addon { generation, patience, ..at(addon, operation, Stage::SetVariables, "setting variables") };
    Transition { addon, writes, next: Next::Do(Step::SetVariables) }
}

fn variables_set(addon: &Addon, operation: &Operation, now: StoreTime) -> Transition {
    if operation.kind != OperationKind::Rotate {
        return succeeded(addon, operation, vec![], now);
    }
    let overlap_ms = operation.overlap_ms;
    let message = format!("the app has new credentials; the old ones work for {} s more", overlap_ms / 1000);
    let entry = Entry::with("rotated", message.clone(), json!({ "overlap_ms": overlap_ms }));
    let mut patience = Patience::new(overlap_ms, now);
    patience.expected_ms = overlap_ms;
    let addon = Addon { patience, ..at(addon, operation, Stage::Overlap, &message) };
    Transition { next: sooner(Some(now.plus_ms(overlap_ms)), &addon), addon, writes: vec![Write::Record(entry)] }
}

fn succeeded(addon: &Addon, operation: &Operation, mut writes: Vec<Write>, now: StoreTime) -> Transition {
    let data = json!({ "operation": operation.id, "kind": operation.kind, "bytes": operation.bytes });
    writes.push(Write::Record(Entry::with("operation_succeeded", format!("{} succeeded", operation.kind), data)));
    writes.push(Write::ForgetOperation);
    let operation = Operation {
        state: OperationState::Succeeded,
        message: "done".to_owned(),
        percent: None,
        error: None,
        ..operation.clone()
    };
    let addon = ended(addon, operation, now);
    Transition { next: rest(&addon, now), addon, writes }
}

/// A call did not succeed.
fn step_failed(addon: &Addon, operation: &Operation, step: Step, failure: StepFailure, now: StoreTime) -> Transition {
    let end = |addon: &Addon, code: &str, reason, call| failed(addon, operation, code, reason, Some(call), now);
    tried(addon, step, failure, now, end)
}

/// Gives the operation up. The addon stays ready.
fn failed(
    addon: &Addon,
    operation: &Operation,
    code: &str,
    reason: String,
    call: Option<Entry>,
    now: StoreTime,
) -> Transition {
    let mut writes = vec![];
    if operation.can_be_undone() {
        writes.push(Write::UndoOperation);
    }
    let data = json!({ "operation": operation.id, "kind": operation.kind, "code": code });
    writes.push(Write::Record(Entry::end("operation_failed", reason.clone(), data, call)));
    writes.push(Write::ForgetOperation);
    let error = Some(AddonError { code: code.to_owned(), reason: reason.clone() });
    let operation =
        Operation { state: OperationState::Failed, message: reason, percent: None, error, ..operation.clone() };
    let addon = ended(addon, operation, now);
    Transition { next: rest(&addon, now), addon, writes }
}

/// The addon with an operation that has ended.
fn ended(addon: &Addon, operation: Operation, now: StoreTime) -> Addon {
    let outdated = follow::left_by(&operation, addon.outdated, now);
    Addon { operation: Some(operation), outdated, attempts: 0, host_faults: 0, ..addon.clone() }
}

/// A ready addon on which nothing is under way rests until its app is to be told anew what it gives, or its provider is asked how it
/// does.
pub(super) fn rest(addon: &Addon, now: StoreTime) -> Next {
    // One that does not work may do so in a moment: servers take theirs to start.
    let longest_ms = if addon.health.state == HealthState::Unhealthy { Health::ILL_EVERY_MS } else { u64::MAX };
    let asked = addon.health_every_ms.map(|every_ms| now.plus_ms(every_ms.min(longest_ms)));
    sooner(asked, addon)
}

/// At that time, or when the app is to be told anew.
fn sooner(at: Option<StoreTime>, addon: &Addon) -> Next {
    let told = addon.outdated.map(|outdated| outdated.at);
    at.into_iter().chain(told).min().map_or(Next::Rest, Next::At)
}

fn checked(addon: &Addon, health: Health, now: StoreTime) -> Transition {
    let Transition { addon, writes, .. } = noted(addon, health);
    // A wish that came meanwhile has the first word: it took the lease, so this is not even written then.
    Transition { next: rest(&addon, now), addon, writes }
}

/// Said once, not every minute.
fn noted(addon: &Addon, health: Health) -> Transition {
    if addon.health == health {
        return Transition { addon: addon.clone(), writes: vec![], next: Next::Unchanged };
    }
    let message = match (&health.state, &health.reason) {
        (HealthState::Healthy, _) => "it works".to_owned(),
        (HealthState::Unhealthy, reason) => reason.clone().unwrap_or_else(|| "it does not work".to_owned()),
        (HealthState::Unknown, reason) => reason.clone().unwrap_or_else(|| "nobody can say".to_owned()),
    };
    let entry = Entry::with("health", message, json!({ "health": health.state }));
    Transition { addon: Addon { health, ..addon.clone() }, writes: vec![Write::Record(entry)], next: Next::Unchanged }
}

/// Its provider could not say. That is no word about the addon, but shown.
fn unknown(addon: &Addon, failure: &StepFailure, now: StoreTime) -> Transition {
    if matches!(failure, StepFailure::Host(_)) {
        return Transition { addon: addon.clone(), writes: vec![], next: rest(addon, now) };
    }
    let reason = Some(format!("its provider can't say: {}", Entry::call_failed(Step::CheckHealth, failure).message));
    checked(addon, Health { state: HealthState::Unknown, reason }, now)
}
