//! The state machine over every state and event: a table that is also a page of the documentation, and rules that hold for every row.

mod operations;
mod rules;
mod table;

use super::*;
use crate::addon::Cleanup;
use crate::ids::{AddonId, OperationId};
use crate::operation::{Operation, OperationKind, Outdated, PlanAndParameters, Stage};
use crate::time::WallTime;

const NOW: StoreTime = StoreTime(1_000_000);

/// A situation an addon can be in, with the name that the table gives it.
fn situations() -> Vec<(&'static str, Addon)> {
    let new = Addon::new(AddonId::generate(), 900_000, 3, NOW);
    let intended = Addon { begin_intended: true, ..new.clone() };
    let begun = Addon { begun: true, ..intended.clone() };
    let provisioned = Addon { state: AddonState::Provisioned, ..begun.clone() };
    let ready = Addon { state: AddonState::Ready, ..begun.clone() };
    let gone = |state, cleanup| Addon { state, cleanup, ..begun.clone() };
    let failing = |attempts| Cleanup::Failing { attempts, last_error: "no answer".into() };
    let over = Patience { waited_ms: 900_000, ..begun.patience };
    let grace = Grace { until: NOW.plus_ms(3_600_000), shown: WallTime(0) };
    let kept = Addon { grace: Some(grace), delete_wanted: true, ..gone(AddonState::Deprovisioned, Cleanup::Pending) };
    let ended = Addon { grace: Some(Grace { until: NOW, ..grace }), ..kept.clone() };
    let back = Addon { grace: Some(grace), ..provisioned.clone() };
    let anew = Addon { grace: Some(grace), ..begun.clone() };
    let overdue = Patience { waited_ms: Addon::SINK_LIMIT_MS, limit_ms: Addon::SINK_LIMIT_MS, ..back.patience };
    let outdated = Outdated { operation: OperationId(uuid::Uuid::nil()), at: NOW, failures: 1 };
    let untold = Addon { outdated: Some(outdated), ..on(&ready, OperationKind::Rotate, Stage::Overlap) };
    let wanted = Addon { delete_wanted: true, ..gone(AddonState::Error, Cleanup::Done) };
    vec![
        ("waiting, nothing begun", new),
        ("waiting, begin intended", intended),
        ("waiting, begun", begun.clone()),
        ("waiting, overdue", Addon { patience: Patience { waited_ms: 900_000, ..begun.patience }, ..begun.clone() }),
        ("waiting, last attempt", Addon { attempts: 2, ..begun.clone() }),
        ("provisioned", provisioned),
        ("provisioned, had back", back.clone()),
        ("provisioned, had back, overdue", Addon { patience: overdue, ..back }),
        ("waiting, had back", anew.clone()),
        ("waiting, had back, last attempt", Addon { attempts: 2, ..anew.clone() }),
        ("waiting, had back, overdue", Addon { patience: over, ..anew }),
        ("ready", ready.clone()),
        ("ready, health is checked", Addon { health_every_ms: Some(60_000), ..ready.clone() }),
        ("ready, its app not told yet", Addon { outdated: Some(outdated), ..ready.clone() }),
        ("ready, follow begun", apply(&ready, Event::Outdated(outdated.operation)).addon),
        ("ready, update to begin", on(&ready, OperationKind::Update, Stage::Begin)),
        ("ready, update begun", on(&ready, OperationKind::Update, Stage::Complete)),
        ("ready, update overdue", Addon { patience: over, ..on(&ready, OperationKind::Update, Stage::Complete) }),
        ("ready, rotation to begin", on(&ready, OperationKind::Rotate, Stage::Begin)),
        ("ready, rotation begun", on(&ready, OperationKind::Rotate, Stage::Complete)),
        ("ready, rotation sets variables", on(&ready, OperationKind::Rotate, Stage::SetVariables)),
        ("ready, rotation overlaps", on(&ready, OperationKind::Rotate, Stage::Overlap)),
        ("ready, rotation overlaps, its app not told yet", untold),
        ("ready, rotation ends", on(&ready, OperationKind::Rotate, Stage::End)),
        ("ready, export to begin", on(&ready, OperationKind::Export, Stage::Begin)),
        ("ready, export streams", on(&ready, OperationKind::Export, Stage::Stream)),
        ("ready, export stands still", Addon { patience: over, ..on(&ready, OperationKind::Export, Stage::Stream) }),
        ("deprovisioned, in its grace", kept),
        ("deprovisioned, its grace over", ended),
        ("deprovisioned, cleanup none", gone(AddonState::Deprovisioned, Cleanup::None)),
        ("deprovisioned, cleanup pending", gone(AddonState::Deprovisioned, Cleanup::Pending)),
        ("deprovisioned, cleanup failing", gone(AddonState::Deprovisioned, failing(2))),
        ("deprovisioned, cleanup done", gone(AddonState::Deprovisioned, Cleanup::Done)),
        ("error, cleanup none", Addon { begin_intended: false, ..gone(AddonState::Error, Cleanup::None) }),
        ("error, cleanup pending", gone(AddonState::Error, Cleanup::Pending)),
        ("error, cleanup failing, last attempt", gone(AddonState::Error, failing(4))),
        ("error, cleanup done", gone(AddonState::Error, Cleanup::Done)),
        ("error, cleanup done, delete wanted", wanted),
    ]
}

/// The addon with an operation under way.
fn on(ready: &Addon, kind: OperationKind, stage: Stage) -> Addon {
    let done = apply(ready, Event::OperationRequested(Box::new(wish(kind))));
    let operation = done.addon.operation.map(|operation| Operation { stage, ..operation });
    Addon { operation, ..done.addon }
}

fn wish(kind: OperationKind) -> NewOperation {
    let change = PlanAndParameters { plan: "large".parse().unwrap(), parameters: json!({}).into() };
    let change = (kind == OperationKind::Update).then_some(change);
    NewOperation {
        id: OperationId(uuid::Uuid::nil()),
        kind,
        deadline_ms: 900_000,
        overlap_ms: 600_000,
        change,
        after: None,
    }
}

fn failures() -> Vec<StepFailure> {
    use crate::failure::{Fault, FaultCode};
    vec![
        StepFailure::Guest(GuestFailure::Rejected("no".into())),
        StepFailure::Guest(GuestFailure::Retry { after_ms: 5_000, reason: "later".into() }),
        StepFailure::Guest(GuestFailure::Failed("broken".into())),
        StepFailure::Fault(Fault { code: FaultCode::Trap, detail: "unreachable".into() }),
        StepFailure::Host("the store failed".into()),
        StepFailure::ProviderGone("removed".into()),
    ]
}

fn pending() -> Pending {
    Pending::bounded(2_000, "working".into(), Some(40))
}

/// Every event that can be said to an addon in this situation's phase; failures are those of the step that the phase is in.
fn events(addon: &Addon) -> Vec<Event> {
    let step = match addon.state {
        AddonState::WaitingForProvision if addon.begun => Step::Complete,
        AddonState::WaitingForProvision => Step::Begin,
        AddonState::Provisioned => Step::SetVariables,
        AddonState::Ready => match addon.operation.as_ref().map(|operation| (operation.stage, operation.kind)) {
            None => Step::CheckHealth,
            Some((Stage::Begin, OperationKind::Update)) => Step::BeginUpdate,
            Some((Stage::Begin, OperationKind::Rotate)) => Step::BeginRotation,
            Some((Stage::Begin, _)) => Step::BeginExport,
            Some((Stage::SetVariables, _)) => Step::SetVariables,
            Some((Stage::Overlap, _)) if addon.outdated.is_some() => Step::Complete,
            Some((Stage::Overlap | Stage::End, _)) => Step::EndRotation,
            Some((Stage::Complete | Stage::Stream, _)) => Step::Complete,
        },
        AddonState::Deprovisioned if addon.grace.is_some() => Step::UnsetVariables,
        _ => Step::Deprovision,
    };
    let mut events = vec![
        Event::Woken,
        Event::Begun { message: "begun".into() },
        Event::StillPending(pending()),
        Event::Configured(Box::default()),
        Event::ConfigRefused { code: "invalid_config", reason: "undeclared".into() },
        Event::VariablesSet,
    ];
    events.extend(failures().into_iter().map(|failure| Event::Failed(step, failure)));
    events.extend([
        Event::Outdated(OperationId(uuid::Uuid::nil())),
        Event::DeprovisionRequested,
        Event::DeprovisionLater(Grace { until: NOW.plus_ms(86_400_000), shown: WallTime(0) }),
        Event::VariablesUnset,
        Event::UndeleteRequested { anew: false },
        Event::UndeleteRequested { anew: true },
        Event::CleanupPending(pending()),
        Event::CleanedUp,
        Event::AwaitingParent { message: "the server is being made".into() },
        Event::AwaitingContainers { message: "their image is being pulled".into() },
        Event::ParentLost { reason: "it was deleted".into() },
        Event::OperationRequested(Box::new(wish(OperationKind::Update))),
        Event::TransferBegun(SecretString::new("{}".to_owned())),
        Event::Transferred { bytes: 7 },
        Event::TransferEnded { bytes: 9, result: Ok(()) },
        Event::TransferEnded { bytes: 9, result: Err("cut off".into()) },
        Event::RotationEnded,
        Event::HealthChecked(Health::HEALTHY),
        Event::HealthNoted(Health::unhealthy("it ended".into())),
        Event::HealthNotOffered,
    ]);
    events
}

fn apply(addon: &Addon, event: Event) -> Transition {
    let name = event.name();
    transition(addon, event, NOW).unwrap_or_else(|illegal| panic!("{name}: {illegal}"))
}
