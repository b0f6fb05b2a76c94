//! What can happen, as small values; and which answers a step can have.

use larder_domain::failure::{Fault, FaultCode, GuestFailure, Pending, StepFailure};
use larder_domain::operation::{NewOperation, OperationKind, PlanAndParameters};
use larder_domain::{Addon, Event, Grace, OperationId, Step, StoreTime, WallTime};
use serde_json::json;

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Said {
    Woken,
    /// The same after the addon's deadline.
    WokenLate,
    Begun,
    StillPending,
    Configured,
    ConfigRefused,
    VariablesSet,
    VariablesUnset,
    CleanupPending,
    CleanedUp,
    RotationEnded,
    AwaitingParent,
    ParentLost,
    Retry(Step),
    Failed(Step),
    Trapped(Step),
    HostFailed(Step),
    ProviderGone(Step),
    Delete,
    DeleteLater,
    Undelete,
    Rotate,
    Update,
    Outdated,
}

/// What users may wish for.
pub(crate) const WISHES: [Said; 5] = [Said::Delete, Said::DeleteLater, Said::Undelete, Said::Rotate, Said::Update];

/// What may come of a step.
pub(crate) fn answers(step: Step) -> Vec<Said> {
    use Said::{Failed, HostFailed, ProviderGone, Retry, Trapped};
    match step {
        Step::Begin => {
            vec![Said::Begun, Retry(step), Failed(step), Trapped(step), HostFailed(step), ProviderGone(step)]
        }
        Step::Complete => {
            vec![
                Said::StillPending,
                Said::Configured,
                Said::ConfigRefused,
                Failed(step),
                Trapped(step),
                HostFailed(step),
            ]
        }
        Step::SetVariables => vec![Said::VariablesSet, HostFailed(step)],
        Step::UnsetVariables => vec![Said::VariablesUnset, HostFailed(step)],
        Step::Deprovision => {
            vec![Said::CleanedUp, Said::CleanupPending, Trapped(step), HostFailed(step), ProviderGone(step)]
        }
        Step::BeginUpdate | Step::BeginRotation => vec![Said::Begun, Failed(step), Trapped(step), HostFailed(step)],
        Step::EndRotation => vec![Said::RotationEnded, Said::StillPending, Failed(step), Trapped(step)],
        Step::BeginExport | Step::BeginImport | Step::CheckHealth => vec![HostFailed(step)],
    }
}

impl Said {
    /// Whether it is neither a delay nor another way to fail.
    pub(crate) const fn is_decisive(self) -> bool {
        use Said::{CleanupPending, ConfigRefused, HostFailed, ProviderGone, Retry, StillPending, Trapped};
        let is_other =
            matches!(self, Retry(_) | Trapped(_) | ProviderGone(_) | StillPending | ConfigRefused | CleanupPending);
        !is_other && !matches!(self, HostFailed(Step::Begin | Step::Complete | Step::BeginUpdate | Step::BeginRotation))
    }

    /// The event itself, for an addon as it is.
    pub(crate) fn event(self, addon: &Addon) -> Event {
        let text = String::new;
        let pending = || Pending { after_ms: 1, message: text(), percent: None };
        match self {
            Self::Woken | Self::WokenLate => Event::Woken,
            Self::Begun => Event::Begun { message: text() },
            Self::StillPending => Event::StillPending(pending()),
            Self::Configured => Event::Configured(Box::default()),
            Self::ConfigRefused => Event::ConfigRefused { code: "invalid_config", reason: text() },
            Self::VariablesSet => Event::VariablesSet,
            Self::VariablesUnset => Event::VariablesUnset,
            Self::CleanupPending => Event::CleanupPending(pending()),
            Self::CleanedUp => Event::CleanedUp,
            Self::RotationEnded => Event::RotationEnded,
            Self::AwaitingParent => Event::AwaitingParent { message: text() },
            Self::ParentLost => Event::ParentLost { reason: text() },
            Self::Retry(step) => {
                Event::Failed(step, StepFailure::Guest(GuestFailure::Retry { after_ms: 1, reason: text() }))
            }
            Self::Failed(step) => Event::Failed(step, StepFailure::Guest(GuestFailure::Failed(text()))),
            Self::Trapped(step) => {
                Event::Failed(step, StepFailure::Fault(Fault { code: FaultCode::Trap, detail: text() }))
            }
            Self::HostFailed(step) => Event::Failed(step, StepFailure::Host(text())),
            Self::ProviderGone(step) => Event::Failed(step, StepFailure::ProviderGone(text())),
            Self::Delete => Event::DeprovisionRequested,
            Self::DeleteLater => Event::DeprovisionLater(Grace { until: StoreTime(1), shown: WallTime(0) }),
            Self::Undelete => Event::UndeleteRequested { anew: false },
            Self::Rotate => Event::OperationRequested(Box::new(wish(OperationKind::Rotate, addon))),
            Self::Update => Event::OperationRequested(Box::new(wish(OperationKind::Update, addon))),
            Self::Outdated => Event::Outdated(nobodys()),
        }
    }
}

/// The one operation of this model.
pub(crate) fn nobodys() -> OperationId {
    OperationId(uuid::Uuid::nil())
}

fn wish(kind: OperationKind, addon: &Addon) -> NewOperation {
    let change = PlanAndParameters { plan: "p".parse().unwrap(), parameters: json!({}).into() };
    NewOperation {
        id: nobodys(),
        kind,
        deadline_ms: 1_000,
        overlap_ms: 0,
        change: (kind == OperationKind::Update).then_some(change),
        after: addon.operation.as_ref().map(|last| last.id),
    }
}
