//! The state machine over every state and event: a table that is also a page of the documentation, and rules that hold for every row.

mod rules;
mod table;

use super::*;
use crate::addon::Cleanup;
use crate::ids::AddonId;

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
    let wanted = Addon { delete_wanted: true, ..gone(AddonState::Error, Cleanup::Done) };
    vec![
        ("waiting, nothing begun", new),
        ("waiting, begin intended", intended),
        ("waiting, begun", begun.clone()),
        ("waiting, overdue", Addon { patience: Patience { waited_ms: 900_000, ..begun.patience }, ..begun.clone() }),
        ("waiting, last attempt", Addon { attempts: 2, ..begun.clone() }),
        ("provisioned", provisioned),
        ("ready", ready),
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

fn failures() -> Vec<StepFailure> {
    use crate::failure::FaultCode;
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
        Event::DeprovisionRequested,
        Event::CleanupPending(pending()),
        Event::CleanedUp,
        Event::AwaitingParent { message: "the server is being made".into() },
        Event::ParentLost { reason: "it was deleted".into() },
    ]);
    events
}

fn apply(addon: &Addon, event: Event) -> Transition {
    let name = event.name();
    transition(addon, event, NOW).unwrap_or_else(|illegal| panic!("{name}: {illegal}"))
}
