//! The addon state machine: one pure function that decides everything, live and in recovery.
//!
//! A worker that holds an addon's lease says [`Event::Woken`] and is told the [`Step`] to do; it does it and says
//! what came of it. A user says [`Event::DeprovisionRequested`]. The answer is data: the addon as it is now, what the store is to
//! write in the same transaction, and what comes next.
//!
//! Two rules carry most of the weight. *Intent before effect*: `begin-provision` may be called only after `begin_intended` was
//! stored, so whatever a provider made is always known to be there for cleaning up. *Cleanup is orthogonal*: entering a terminal state is
//! a user's business and done at once; what is left behind is the cleanup's business and takes as long as it takes, and may
//! begin only after a grace in which the addon can be had back.

mod attempt;
mod cleanup;
mod follow;
mod grace;
mod operation;
#[cfg(test)]
mod tests;

use serde_json::json;

use crate::addon::{Addon, AddonError, AddonState, Patience, named};
use crate::config::AddonConfig;
use crate::failure::{GuestFailure, Pending, StepFailure};
use crate::grace::Grace;
use crate::history::Entry;
use crate::ids::OperationId;
use crate::operation::{Health, NewOperation};
use crate::retry::SINK_BACKOFF;
use crate::secret::SecretString;
use crate::time::StoreTime;
use attempt::{again, tried};

/// How often an addon looks whether the one that it is a part of can be used, in milliseconds. It is told when that is so.
const PARENT_LOOK_MS: u64 = 10_000;
/// How often an addon that is had back looks whether its containers run again, in milliseconds. It is told when that is so.
const CONTAINERS_LOOK_MS: u64 = 5_000;

named! {
    /// Something that a worker does for an addon.
    Step {
        /// Call `begin-provision`.
        Begin = "begin-provision",
        /// Call `provision-complete` and, when it is done, `get-config`.
        Complete = "provision-complete",
        /// Hand the variables to the app.
        SetVariables = "set-variables",
        /// Take them away from it, of an addon that can still be had back.
        UnsetVariables = "unset-variables",
        /// Call `deprovision`.
        Deprovision = "deprovision",
        /// Call `begin-update`.
        BeginUpdate = "begin-update",
        /// Call `begin-rotation`.
        BeginRotation = "begin-rotation",
        /// Call `end-rotation`.
        EndRotation = "end-rotation",
        /// Call `begin-export`.
        BeginExport = "begin-export",
        /// Call `begin-import`.
        BeginImport = "begin-import",
        /// Call `check` of the interface `health`.
        CheckHealth = "check-health",
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A worker holds the lease and asks what to do.
    Woken,
    /// `begin-provision` succeeded.
    Begun {
        /// What it said.
        message: String,
    },
    /// `provision-complete` wants to be asked again.
    StillPending(Pending),
    /// `provision-complete` said done and `get-config` gave this, which passed its check.
    Configured(Box<AddonConfig>),
    /// What `get-config` gave can't be used: it failed its check, or another addon has one of the names.
    ConfigRefused {
        /// `invalid_config` or `variable_taken`.
        code: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The app's sink has the variables.
    VariablesSet,
    /// A step did not succeed.
    Failed(Step, StepFailure),
    /// A user wants the addon gone, and what it holds.
    DeprovisionRequested,
    /// A user wants the addon gone; what it holds is kept, if it was ready.
    DeprovisionLater(Grace),
    /// The app's sink has the variables no more.
    VariablesUnset,
    /// A user wants a deleted addon back.
    UndeleteRequested {
        /// Whether its configuration may have changed meanwhile: its resource is another addon's, or is reached elsewhere.
        anew: bool,
    },
    /// `deprovision` wants to be asked again.
    CleanupPending(Pending),
    /// `deprovision` succeeded.
    CleanedUp,
    /// The addon that this one is a part of can't be used yet.
    AwaitingParent {
        /// How far that is.
        message: String,
    },
    /// The containers of an addon that is had back do not run again yet.
    AwaitingContainers {
        /// What they wait for.
        message: String,
    },
    /// The addon that this one is a part of is over.
    ParentLost {
        /// Why, as far as that is known.
        reason: String,
    },
    /// A user wants an operation.
    OperationRequested(Box<NewOperation>),
    /// What its app was told may not be so any more. The operation is the one that tells it anew.
    Outdated(OperationId),
    /// `begin-export` or `begin-import` gave this description of where the data come from or go.
    TransferBegun(SecretString),
    /// So many bytes have flowed by now.
    Transferred {
        /// From the beginning.
        bytes: u64,
    },
    /// The data have flowed, or will not.
    TransferEnded {
        /// From the beginning.
        bytes: u64,
        /// Why they will not.
        result: Result<(), String>,
    },
    /// `end-rotation` is done.
    RotationEnded,
    /// The provider was asked how the addon does.
    HealthChecked(Health),
    /// The host has seen how the addon does.
    HealthNoted(Health),
    /// The provider has nothing to say about that.
    HealthNotOffered,
}

impl Event {
    /// The name in documents.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Woken => "woken",
            Self::Begun { .. } => "begun",
            Self::StillPending(_) => "still pending",
            Self::Configured(_) => "configured",
            Self::ConfigRefused { .. } => "config refused",
            Self::VariablesSet => "variables set",
            Self::Failed(_, StepFailure::Guest(GuestFailure::Rejected(_))) => "rejected",
            Self::Failed(_, StepFailure::Guest(GuestFailure::Retry { .. })) => "retry",
            Self::Failed(_, StepFailure::Guest(GuestFailure::Failed(_))) => "failed",
            Self::Failed(_, StepFailure::Fault(_)) => "trap or limit",
            Self::Failed(_, StepFailure::Host(_)) => "host fault",
            Self::Failed(_, StepFailure::ProviderGone(_)) => "provider gone",
            Self::DeprovisionRequested => "deprovision requested",
            Self::DeprovisionLater(_) => "deprovision requested, with grace",
            Self::VariablesUnset => "variables unset",
            Self::UndeleteRequested { .. } => "undelete requested",
            Self::CleanupPending(_) => "cleanup pending",
            Self::CleanedUp => "cleaned up",
            Self::AwaitingParent { .. } => "awaiting parent",
            Self::AwaitingContainers { .. } => "awaiting containers",
            Self::ParentLost { .. } => "parent lost",
            Self::OperationRequested(_) => "operation requested",
            Self::Outdated(_) => "outdated",
            Self::TransferBegun(_) => "transfer begun",
            Self::Transferred { .. } => "transferred",
            Self::TransferEnded { result: Ok(()), .. } => "transfer ended",
            Self::TransferEnded { result: Err(_), .. } => "transfer failed",
            Self::RotationEnded => "rotation ended",
            Self::HealthChecked(_) => "health checked",
            Self::HealthNoted(_) => "health noted",
            Self::HealthNotOffered => "health not offered",
        }
    }
}

/// What the store writes in the same transaction as the addon itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// A line of history.
    Record(Entry),
    /// The checked configuration, sealed. Claims its variables' names for the addon.
    KeepConfig(Box<AddonConfig>),
    /// The kept variables become visible in the app.
    AttachVariables,
    /// The addon's variables leave the app and its names are free again.
    ReleaseVariables,
    /// Work about the addon's objects is due: its containers are to run no more, or again, or an operation can't be undone any more.
    WakeObjects,
    /// The provider's state for the addon.
    ForgetState,
    /// The kept configuration. The seed stays with the addon: a cleanup that is asked for again must find the same passwords.
    ForgetConfig,
    /// What an operation needs beside the addon: what it was asked for, and what it may have to bring back.
    BeginOperation(Box<NewOperation>),
    /// The checked configuration in the place of the one before, sealed. Names that are in neither are free again.
    ReplaceConfig(Box<AddonConfig>),
    /// The plan and the parameters of the update are the addon's own now.
    AdoptChange,
    /// Where the data of a transfer come from or go, sealed.
    KeepTransfer(SecretString),
    /// The provider's state and the wanted objects are again what they were when the operation began.
    UndoOperation,
    /// The provider's state and the wanted objects stay what they are, whatever came with the event.
    DropResults,
    /// What the operation needed.
    ForgetOperation,
}

/// What is to be done after the writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The worker does this step now, under the lease it has.
    Do(Step),
    /// Wake the addon at this time.
    At(StoreTime),
    /// Nothing until somebody wants something.
    Rest,
    /// Whatever was planned stays planned.
    Unchanged,
}

/// The answer of [`transition`].
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The addon from now on.
    pub addon: Addon,
    /// What else to write, in order.
    pub writes: Vec<Write>,
    /// What comes next.
    pub next: Next,
}

impl Transition {
    /// These writes, and then its own.
    fn after(mut self, mut first: Vec<Write>) -> Self {
        first.append(&mut self.writes);
        Self { writes: first, ..self }
    }
}

/// An event that can't happen in the addon's state: a worker that lost its lease, or a mistake in the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} can't happen to an addon that is {state} (cleanup {cleanup})")]
pub struct Illegal {
    /// The event's name.
    pub event: &'static str,
    /// Where the addon stands.
    pub state: AddonState,
    /// And its cleanup.
    pub cleanup: &'static str,
}

/// Decides what an event means for an addon.
///
/// # Errors
/// [`Illegal`] if the event can't happen in this state; nothing changes then.
pub fn transition(addon: &Addon, event: Event, now: StoreTime) -> Result<Transition, Illegal> {
    use AddonState::{Provisioned, Ready, WaitingForProvision};
    match (addon.state, event) {
        (_, Event::DeprovisionRequested) => {
            let (addon, writes) = operation::broken_off(addon, "the addon was deleted");
            Ok(cleanup::requested(&addon, now).after(writes))
        }
        (_, Event::DeprovisionLater(grace)) => {
            let (addon, writes) = operation::interrupted(addon, "the addon was deleted");
            Ok(grace::requested(&addon, grace, now).after(writes))
        }
        (Ready, Event::Woken) => Ok(operation::woken(addon, now)),
        (_, Event::Woken) => Ok(woken(addon, now)),
        (WaitingForProvision, Event::Begun { message }) if !addon.begun => Ok(begun(addon, message, now)),
        (WaitingForProvision, Event::StillPending(pending)) if addon.begun => Ok(still_pending(addon, pending, now)),
        (WaitingForProvision, Event::Configured(config)) if addon.begun => Ok(provisioned(addon, config, now)),
        (WaitingForProvision, Event::ConfigRefused { code, reason }) => Ok(given_up(addon, code, reason, None, now)),
        (WaitingForProvision, Event::Failed(step @ (Step::Begin | Step::Complete), failure)) => {
            Ok(step_failed(addon, step, failure, now))
        }
        (Provisioned, Event::VariablesSet) => Ok(ready(addon, now)),
        (Provisioned, Event::Failed(Step::SetVariables, failure)) => Ok(sink_failed(addon, &failure, now)),
        (WaitingForProvision, Event::AwaitingParent { message }) if !addon.begun => {
            Ok(awaiting_parent(addon, message, now))
        }
        (WaitingForProvision | Provisioned, Event::AwaitingContainers { message }) if addon.grace.is_some() => {
            Ok(grace::awaiting_containers(addon, message, now))
        }
        (WaitingForProvision | Provisioned | Ready, Event::ParentLost { reason }) => {
            let (addon, mut writes) = operation::broken_off(addon, "the addon has lost what it is a part of");
            let done = failed_for_good(&addon, "parent_lost", reason, None, now);
            writes.extend(done.writes);
            Ok(Transition { writes, ..done })
        }
        (WaitingForProvision | Provisioned | Ready, Event::Outdated(operation)) => {
            Ok(follow::outdated(addon, operation, now))
        }
        (Ready, Event::OperationRequested(wish))
            if addon.running().is_none() && wish.is_of_now(addon.operation.as_ref()) =>
        {
            Ok(operation::requested(addon, *wish, now))
        }
        (Ready, event) => operation::advance(addon, event, now),
        (_, event) if addon.kept().is_some() => grace::advance(addon, event, now),
        (state, event) if state.is_terminal() && addon.cleanup.is_due() => cleanup::advance(addon, event, now),
        (state, event) => Err(Illegal { event: event.name(), state, cleanup: addon.cleanup.as_str() }),
    }
}

/// The step that an addon needs now, its deadline permitting.
fn woken(addon: &Addon, now: StoreTime) -> Transition {
    let mut next = addon.clone();
    next.patience = addon.patience.tick(now, 0);
    match addon.state {
        AddonState::WaitingForProvision if next.patience.is_exhausted() => {
            // One that is had back has time of its own.
            let whose = if addon.grace.is_none() { ", the plan's provision deadline" } else { "" };
            let reason = format!("it was not ready after {} s{whose}", addon.patience.limit_ms / 1000);
            given_up(&next, "provision_deadline", reason, None, now)
        }
        AddonState::WaitingForProvision => {
            let step = if addon.begun { Step::Complete } else { Step::Begin };
            if addon.begin_intended && addon.patience.may_go_on(now) {
                // Nothing new is intended, and what was waited is counted when the call has ended: so there is nothing to be stored.
                next.patience = addon.patience;
            }
            next.begin_intended = true;
            Transition { addon: next, writes: vec![], next: Next::Do(step) }
        }
        AddonState::Provisioned => Transition { addon: next, writes: vec![], next: Next::Do(Step::SetVariables) },
        AddonState::Deprovisioned if addon.grace.is_some() => grace::woken(addon, now),
        _ if addon.cleanup.is_due() => Transition { addon: next, writes: vec![], next: Next::Do(Step::Deprovision) },
        _ => Transition { addon: addon.clone(), writes: vec![], next: Next::Rest },
    }
}

/// Its own time begins when the other is there.
fn awaiting_parent(addon: &Addon, message: String, now: StoreTime) -> Transition {
    let patience = Patience::new(addon.patience.limit_ms, now);
    // Nothing was called, so there is nothing to be cleaned up.
    let addon = Addon { message, patience, begin_intended: false, ..undisturbed(addon) };
    Transition { addon, writes: vec![], next: Next::At(now.plus_ms(PARENT_LOOK_MS)) }
}

fn begun(addon: &Addon, message: String, now: StoreTime) -> Transition {
    let entry = Entry::call_ok(Step::Begin, message.clone());
    let addon = Addon { begun: true, message, patience: addon.patience.tick(now, 0), ..undisturbed(addon) };
    Transition { addon, writes: vec![Write::Record(entry)], next: Next::Do(Step::Complete) }
}

fn still_pending(addon: &Addon, pending: Pending, now: StoreTime) -> Transition {
    let entry = Entry::call_pending(Step::Complete, &pending);
    let patience = addon.patience.tick(now, pending.after_ms);
    let next = Next::At(now.plus_ms(pending.after_ms));
    let addon = Addon { message: pending.message, percent: pending.percent, patience, ..undisturbed(addon) };
    Transition { addon, writes: vec![Write::Record(entry)], next }
}

fn provisioned(addon: &Addon, config: Box<AddonConfig>, now: StoreTime) -> Transition {
    let names: Vec<&str> = config.variables.iter().map(|v| v.name.as_str()).collect();
    let entry = Entry::with("provisioned", "the resource is made", json!({ "variables": names }));
    let writes =
        vec![Write::Record(Entry::call_ok(Step::Complete, "done")), Write::KeepConfig(config), Write::Record(entry)];
    let addon = Addon {
        state: AddonState::Provisioned,
        percent: None,
        message: "setting variables".into(),
        patience: Patience::new(Addon::SINK_LIMIT_MS, now),
        ..undisturbed(addon)
    };
    Transition { addon, writes, next: Next::Do(Step::SetVariables) }
}

fn ready(addon: &Addon, now: StoreTime) -> Transition {
    let entry = Entry::new("ready", "the app has its variables");
    let (message, health) = ("ready".into(), Health::HEALTHY);
    let addon = Addon { state: AddonState::Ready, message, health, grace: None, ..undisturbed(addon) };
    let writes = vec![Write::AttachVariables, Write::Record(entry)];
    match (operation::resumed(&addon, now), addon.outdated) {
        (Some(addon), _) => Transition { addon, writes, next: Next::Do(Step::EndRotation) },
        (None, Some(outdated)) => follow::begin(&addon, outdated, now).after(writes),
        (None, None) => Transition { next: operation::rest(&addon, now), addon, writes },
    }
}

/// A call before `provisioned` did not succeed.
fn step_failed(addon: &Addon, step: Step, failure: StepFailure, now: StoreTime) -> Transition {
    tried(addon, step, failure, now, |addon, code, reason, call| given_up(addon, code, reason, Some(call), now))
}

/// The app's sink did not take the variables: try again until its deadline, then clean up (row T7).
fn sink_failed(addon: &Addon, failure: &StepFailure, now: StoreTime) -> Transition {
    let entry = Entry::call_failed(Step::SetVariables, failure);
    let reason = entry.message.clone();
    let host_faults = addon.host_faults.saturating_add(1);
    let mut next = Addon { host_faults, message: reason.clone(), ..addon.clone() };
    next.patience = addon.patience.tick(now, 0);
    if next.patience.is_exhausted() {
        let reason = format!("the app's variables could not be set: {reason}");
        return given_up(&next, "variables_not_set", reason, Some(entry), now);
    }
    again(next, entry, SINK_BACKOFF.wait_ms(host_faults), now)
}

/// Gives up an addon that is not ready yet. One that was had back is deleted again, and nothing is done about what it holds.
fn given_up(addon: &Addon, code: &str, reason: String, call: Option<Entry>, now: StoreTime) -> Transition {
    match addon.grace {
        Some(grace) => grace::not_back(addon, grace, &reason, call, now),
        None => failed_for_good(addon, code, reason, call, now),
    }
}

/// Ends in `error`, and has whatever was begun cleaned up.
fn failed_for_good(addon: &Addon, code: &str, reason: String, call: Option<Entry>, now: StoreTime) -> Transition {
    let entry = Entry::end("error", reason.clone(), json!({ "code": code }), call);
    let writes = vec![Write::ReleaseVariables, Write::Record(entry)];
    let error = Some(AddonError { code: code.to_owned(), reason: reason.clone() });
    let next = Addon { state: AddonState::Error, message: reason, percent: None, error, ..addon.clone() };
    cleanup::begin(next, writes, now)
}

/// The addon with its rows of failures ended, as after any typed answer.
fn undisturbed(addon: &Addon) -> Addon {
    Addon { attempts: 0, host_faults: 0, ..addon.clone() }
}
