//! How many live addons there may be, as operators decide. What is over its quota is refused where the place would be taken: in the
//! store's transaction.

use std::collections::{BTreeMap, BTreeSet};

use larder_domain::provider::Provider;
use larder_domain::quota::AppUse;
use larder_domain::{AppName, PlanName, ProviderName};

use crate::{Code, Control, ControlError};

impl Control {
    /// How many live addons an app may have of which nothing else was said.
    #[must_use]
    pub const fn app_addons_max(&self) -> u64 {
        self.app_addons_max
    }

    /// Says how many live addons an app may have; none for what is said of all. Those that it has stay.
    ///
    /// # Errors
    /// `unknown_app`.
    pub async fn set_app_quota(&self, app: &AppName, addons_max: Option<u64>) -> Result<AppUse, ControlError> {
        self.app(app).await?;
        self.store.set_app_quota(app, addons_max).await?;
        self.app_use(app).await
    }

    /// Replaces how many live addons there may be of a provider's plans, if nobody has changed it since `revision`. Those that are there
    /// stay.
    ///
    /// # Errors
    /// `unknown_provider`, `unknown_plan`, `revision_changed`.
    pub async fn set_quotas(
        &self,
        name: &ProviderName,
        quotas: BTreeMap<PlanName, u64>,
        revision: u64,
    ) -> Result<Provider, ControlError> {
        check_plans(&self.provider(name).await?, &quotas)?;
        let changed = name.clone();
        let done =
            self.change(move |control: Self| async move { control.store.set_quotas(&changed, quotas, revision).await });
        self.changed(name, revision, done.await?).await
    }

    /// Counts a refusal that is for want of a place.
    pub(crate) fn count_full(&self, refused: ControlError) -> ControlError {
        if let ControlError::Quota(full) = &refused {
            self.metrics.full(&full.quota);
        }
        refused
    }
}

/// A quota of a plan that there is not would never be looked at. One that was set while there was such a plan may stay.
fn check_plans(provider: &Provider, quotas: &BTreeMap<PlanName, u64>) -> Result<(), ControlError> {
    let manifests = provider.versions.iter().filter_map(|version| version.manifest.as_ref());
    let services = manifests.flat_map(|manifest| &manifest.services);
    let offered: BTreeSet<&PlanName> = services.flat_map(|service| &service.plans).map(|plan| &plan.name).collect();
    let is_known = |plan: &PlanName| offered.contains(plan) || provider.quotas.iter().any(|quota| quota.plan == *plan);
    let Some(unknown) = quotas.keys().find(|plan| !is_known(plan)) else { return Ok(()) };
    let offered: Vec<&str> = offered.into_iter().map(PlanName::as_str).collect();
    let message = match offered.join(", ") {
        none if none.is_empty() => format!("the provider {} has no plan {unknown}; it has none yet", provider.name),
        plans => format!("the provider {} has no plan {unknown}; it has {plans}", provider.name),
    };
    Err(ControlError::refused(Code::UnknownPlan, message))
}
