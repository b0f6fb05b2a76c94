//! Operations: what is done to an addon that is ready. An addon has one at a time, and keeps the last one, so that people can
//! see how it ended. However it ends, the addon stays ready: a failure is recorded here and nowhere else.

use serde::{Deserialize, Serialize};

use crate::addon::{AddonError, named};
use crate::ids::OperationId;
use crate::names::PlanName;
use crate::secret::SecretJson;
use crate::time::StoreTime;

named! {
    /// What is done.
    OperationKind {
        /// Another plan, or other parameters.
        Update = "update",
        /// New credentials; the old ones go on for a while.
        Rotate = "rotate",
        /// The data go out as a stream.
        Export = "export",
        /// Data come in as a stream.
        Import = "import",
        /// The app is told anew what the addon gives: its owner gives something else now, or it is reached elsewhere.
        Follow = "follow",
    }
}

named! {
    /// How it stands.
    OperationState {
        /// Under way.
        Running = "running",
        /// Done.
        Succeeded = "succeeded",
        /// Given up; the addon is as it was before, as far as the host and the provider could have it so.
        Failed = "failed",
    }
}

named! {
    /// How far a running operation has come.
    Stage {
        /// Its first call is to be made.
        Begin = "begin",
        /// The provider is asked whether the resource can be used, and then for its configuration.
        Complete = "complete",
        /// The app is given its variables.
        SetVariables = "set-variables",
        /// Old and new credentials both work.
        Overlap = "overlap",
        /// The old credentials are ended.
        End = "end",
        /// The data can flow, or do.
        Stream = "stream",
    }
}

/// An operation on an addon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Which one.
    pub id: OperationId,
    /// What is done.
    pub kind: OperationKind,
    /// How it stands.
    pub state: OperationState,
    /// How far it has come.
    pub stage: Stage,
    /// The last thing that was said to the person who waits.
    pub message: String,
    /// 0 to 100, if the provider knows.
    pub percent: Option<u8>,
    /// Why it failed.
    pub error: Option<AddonError>,
    /// How long old credentials work beside the new ones, in milliseconds.
    pub overlap_ms: u64,
    /// How many bytes have flowed.
    pub bytes: u64,
}

/// A wish for an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOperation {
    /// Which one.
    pub id: OperationId,
    /// What is to be done.
    pub kind: OperationKind,
    /// How long it may take until the app has its variables, in milliseconds.
    pub deadline_ms: u64,
    /// How long old credentials work beside the new ones, in milliseconds.
    pub overlap_ms: u64,
    /// What an update is to make of the addon.
    pub change: Option<PlanAndParameters>,
    /// The last operation of the addon when that was worked out. An update is not begun after another one: it would undo what that
    /// one has changed, and was not asked for.
    pub after: Option<OperationId>,
}

impl NewOperation {
    /// How long an addon may take to tell its app anew what it gives, in milliseconds.
    pub const FOLLOW_LIMIT_MS: u64 = 900_000;

    /// That an app is told anew what its addon gives.
    #[must_use]
    pub const fn follow(id: OperationId) -> Self {
        let (kind, deadline_ms) = (OperationKind::Follow, Self::FOLLOW_LIMIT_MS);
        Self { id, kind, deadline_ms, overlap_ms: 0, change: None, after: None }
    }

    /// Whether it was worked out from what the addon is now.
    #[must_use]
    pub fn is_of_now(&self, last: Option<&Operation>) -> bool {
        self.change.is_none() || self.after == last.map(|last| last.id)
    }
}

/// That an app is to be told anew what its addon gives. It stays until the app was told, however often that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outdated {
    /// The operation that does so.
    pub operation: OperationId,
    /// Not before this moment.
    pub at: StoreTime,
    /// How often it has failed in a row.
    pub failures: u32,
}

/// The part of an addon's specification that an update changes.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanAndParameters {
    /// In which size.
    pub plan: PlanName,
    /// The developer's parameters.
    pub parameters: SecretJson,
}

impl OperationKind {
    /// Whether data flow.
    #[must_use]
    pub const fn is_transfer(self) -> bool {
        matches!(self, Self::Export | Self::Import)
    }
}

impl Operation {
    /// The longest overlap of old and new credentials, in milliseconds.
    pub const OVERLAP_MS_MAX: u64 = 7 * 24 * 3_600_000;
    /// How long a stream may stand still before it is given up, in milliseconds; also, how long it waits for its client.
    pub const STREAM_IDLE_MS: u64 = 60_000;

    /// Why one failed whose addon was deleted, or has lost what it is a part of.
    pub const BROKEN_OFF: &str = "broken_off";

    /// One that was just asked for.
    #[must_use]
    pub fn new(wish: &NewOperation) -> Self {
        let stage = if wish.kind == OperationKind::Follow { Stage::Complete } else { Stage::Begin };
        Self {
            id: wish.id,
            kind: wish.kind,
            state: OperationState::Running,
            stage,
            message: "waiting to begin".to_owned(),
            percent: None,
            error: None,
            overlap_ms: wish.overlap_ms,
            bytes: 0,
        }
    }

    /// Whether it is under way.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == OperationState::Running
    }

    /// Whether somebody who waits for it need wait no longer: it has ended, or goes on by itself for as long as was asked for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.is_running() || matches!(self.stage, Stage::Overlap | Stage::Stream)
    }

    /// Whether it is a rotation that was broken off when the app had, or was about to have, the new credentials: the old ones were
    /// not ended.
    #[must_use]
    pub fn has_left_old_credentials(&self) -> bool {
        let is_broken_off = self.error.as_ref().is_some_and(|error| error.code == Self::BROKEN_OFF);
        self.kind == OperationKind::Rotate && is_broken_off && !self.can_be_undone()
    }

    /// Whether what it has changed could still be taken back.
    #[must_use]
    pub fn can_be_undone(&self) -> bool {
        matches!(self.stage, Stage::Begin | Stage::Complete)
    }
}

named! {
    /// Whether a ready addon works.
    HealthState {
        /// Nobody could say.
        Unknown = "unknown",
        /// It does.
        Healthy = "healthy",
        /// It does not.
        Unhealthy = "unhealthy",
    }
}

/// What is known of how a ready addon works. Its state does not depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it works.
    pub state: HealthState,
    /// Why it does not, or why nobody can say.
    pub reason: Option<String>,
}

impl Health {
    /// How often the provider of an addon that does not work is asked whether it does again, in milliseconds.
    pub const ILL_EVERY_MS: u64 = 10_000;
    /// It works.
    pub const HEALTHY: Self = Self { state: HealthState::Healthy, reason: None };
    /// Nobody has looked.
    pub const UNKNOWN: Self = Self { state: HealthState::Unknown, reason: None };

    /// It does not work.
    #[must_use]
    pub const fn unhealthy(reason: String) -> Self {
        Self { state: HealthState::Unhealthy, reason: Some(reason) }
    }
}
