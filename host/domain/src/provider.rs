//! Providers and their immutable versions.

use crate::addon::{ComponentKind, named};
use crate::grants::Granted;
use crate::ids::Digest;
use crate::limits::ProviderLimits;
use crate::manifest::Manifest;
use crate::names::ProviderName;
use crate::ports::runtime::Interface;
use crate::quota::PlanQuota;
use crate::time::WallTime;

named! {
    /// Where a version stands.
    VersionState {
        /// Being compiled and described.
        Checking = "checking",
        /// Serves all addons of its provider.
        Active = "active",
        /// Could serve, and does not.
        Inactive = "inactive",
        /// Asks for more than was granted.
        WaitingForApproval = "waiting_for_approval",
        /// Can't serve; its refusal says why.
        Refused = "refused",
    }
}

named! {
    /// How far the check of a version has come.
    CheckStage {
        /// Its turn has not come.
        Waiting = "waiting",
        /// It becomes machine code, the longest part, or waits for another one that does.
        Compiling = "compiling",
        /// It says what it offers.
        Describing = "describing",
        /// Each of its functions is called once.
        Trying = "trying",
    }
}

/// Why an uploaded component can't be a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Stable: `not_a_component`, `unknown_import`, …
    pub code: &'static str,
    /// What was found, what was expected, how to mend it.
    pub message: String,
}

impl Refusal {
    /// The code of a compile that the host could not do, whatever the component is.
    pub const COMPILE_FAILED: &'static str = "compile_failed";

    /// Whether the host is at fault, so that it is worth another try.
    #[must_use]
    pub fn is_the_hosts_fault(&self) -> bool {
        self.code == Self::COMPILE_FAILED
    }

    /// A refusal.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// One uploaded component.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its identity.
    pub digest: Digest,
    /// Where it stands.
    pub state: VersionState,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it came.
    pub uploaded_at: WallTime,
    /// What it said of itself; none before it was described.
    pub manifest: Option<Manifest>,
    /// Which optional interfaces it exports; none before it was checked.
    pub exports: Vec<Interface>,
    /// Why it was refused: code and message.
    pub refusal: Option<(String, String)>,
}

/// A provider with all its versions, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its name.
    pub name: ProviderName,
    /// What kind of component it is.
    pub kind: ComponentKind,
    /// Its versions.
    pub versions: Vec<Version>,
    /// How many addons it has that are not terminal.
    pub live_addons: u64,
    /// What its versions may do, in order of capabilities and values.
    pub grants: Vec<Granted>,
    /// What its calls may use, where that differs from the defaults.
    pub limits: ProviderLimits,
    /// How many addons there may be of its plans, in order of their names; of those that are missing any number.
    pub quotas: Vec<PlanQuota>,
    /// Rises with each change of grants, limits, quotas or options.
    pub revision: u64,
}

impl Provider {
    /// The version that serves.
    #[must_use]
    pub fn active(&self) -> Option<&Version> {
        self.versions.iter().find(|version| version.state == VersionState::Active)
    }

    /// The versions, of these with the newest first, that must always have described themselves under the operator's present
    /// options: the one that serves, and the newest that could, which a grant may have serve.
    pub fn under_options(versions: &[Version]) -> impl Iterator<Item = &Version> {
        let could = |version: &&Version| !matches!(version.state, VersionState::Refused | VersionState::Checking);
        let newest = versions.iter().find(could).map(|version| version.digest);
        versions.iter().filter(move |version| version.state == VersionState::Active || Some(version.digest) == newest)
    }
}
