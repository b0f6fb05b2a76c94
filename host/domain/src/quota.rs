//! How many live addons there may be: of an app, and of a plan in the whole installation.
//!
//! A quota is looked at where a place is taken: when an addon is created or had back, and when an update takes it to another plan.
//! What is there already stays and can be changed in any other way, also where an operator has lowered the quota below it.

use crate::names::{AppName, PlanName, ProviderName};

/// How many live addons an app may have if nothing else is said.
pub const APP_ADDONS_MAX: u64 = 1_000;

/// Whose addons are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quota {
    /// All of an app.
    App(AppName),
    /// Those of a plan, whatever service of the provider has it: without communal servers, and without those that share what another
    /// one has.
    Plan(ProviderName, PlanName),
}

impl Quota {
    /// The kind of quota.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::App(_) => "app",
            Self::Plan(..) => "plan",
        }
    }
}

impl std::fmt::Display for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::App(app) => write!(f, "the app {app}"),
            Self::Plan(provider, plan) => write!(f, "the plan {plan} of the provider {provider}"),
        }
    }
}

/// There is no place left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{quota} has {used} live addons, and {limit} are allowed")]
pub struct QuotaExceeded {
    /// Whose.
    pub quota: Quota,
    /// How many there may be.
    pub limit: u64,
    /// How many there are: more than allowed, if the quota was lowered.
    pub used: u64,
}

/// How many addons of a plan there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanQuota {
    /// Of which plan.
    pub plan: PlanName,
    /// How many there may be.
    pub limit: u64,
    /// How many there are.
    pub used: u64,
}

/// How many addons an app has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppUse {
    /// Those that live.
    pub addons: u64,
    /// How many it may have; none if nobody has said it of this app.
    pub addons_max: Option<u64>,
}
