//! Changing an addon that is there: all that is asked for, or nothing of it.

use larder_domain::operation::{NewOperation, OperationKind, PlanAndParameters};
use larder_domain::ports::runtime::Interface;
use larder_domain::ports::store::ProtectRefusal;
use larder_domain::secret::SecretJson;
use larder_domain::{AddonId, AddonRecord, AddonState, OperationId, PlanName};

use super::create::{check_parameters, choose_plan};
use super::operations::{in_the_way, not_served};
use crate::{Code, Control, ControlError};

/// How often what is not to change is read anew, since another update has changed it meanwhile.
const READ_ATTEMPTS_MAX: u32 = 5;

/// What is to be changed; what is none stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PatchAddon {
    /// Whether deleting it is refused.
    pub protected: Option<bool>,
    /// Its plan.
    pub plan: Option<PlanName>,
    /// Its parameters, all of them.
    pub parameters: Option<SecretJson>,
}

impl Control {
    /// Changes an addon; the addon as it is then. What its provider has to do is begun, and not awaited. Nothing happens if it is so already.
    ///
    /// # Errors
    /// `unknown_addon`, `addon_over`; and for plan and parameters `unknown_plan`, `invalid_parameters`, `not_supported`, `not_ready`,
    /// `operation_in_progress`, `quota_exceeded`.
    pub async fn patch_addon(&self, id: AddonId, patch: PatchAddon) -> Result<AddonRecord, ControlError> {
        let mut record = self.addon(id).await?;
        for _ in 0..READ_ATTEMPTS_MAX {
            let Some(wish) = self.update(&record, &patch).await? else {
                return self.protect_addon(record, patch.protected).await;
            };
            let (after, spec) = (wish.after, record.spec.clone());
            let refused = match self.operate(record, wish, patch.protected).await {
                // As it was asked for, and not as it may be by now; and also if it can't be read just now, since it is begun.
                Ok(asked) => {
                    let spec = self.addon(id).await.map_or(spec, |record| record.spec);
                    return Ok(AddonRecord { spec, ..asked });
                }
                Err(refused) => refused,
            };
            record = self.addon(id).await?;
            let is_outrun = record.addon.running().is_none() && last(&record) != after;
            if !(is_outrun && matches!(refused, ControlError::Refused { code: Code::OperationInProgress, .. })) {
                return Err(refused);
            }
        }
        Err(in_the_way(&record))
    }

    /// The update that is asked for; none if the addon has that already.
    async fn update(&self, record: &AddonRecord, patch: &PatchAddon) -> Result<Option<NewOperation>, ControlError> {
        let (spec, kind) = (&record.spec, OperationKind::Update);
        if patch.plan.is_none() && patch.parameters.is_none() {
            return Ok(None);
        }
        if record.addon.state != AddonState::Ready {
            return Err(in_the_way(record));
        }
        self.supports(record, Interface::Update).await?;
        let offers = self.offers().await?;
        let offer = offers.0.get(&spec.provider).ok_or_else(|| not_served(record))?;
        let service = offer.manifest.service(&spec.service).ok_or_else(|| not_served(record))?;
        let plan = choose_plan(service, Some(patch.plan.as_ref().unwrap_or(&spec.plan)))?;
        let parameters = patch.parameters.as_ref().unwrap_or(&spec.parameters).clone();
        check_parameters(offer, service, plan, &parameters)?;
        let change = PlanAndParameters { plan: plan.name.clone(), parameters };
        if change.plan == spec.plan && change.parameters == spec.parameters && record.addon.running().is_none() {
            return Ok(None);
        }
        let (id, deadline_ms) = (OperationId::generate(), u64::from(plan.provision_deadline_s) * 1000);
        Ok(Some(NewOperation { id, kind, deadline_ms, overlap_ms: 0, change: Some(change), after: last(record) }))
    }

    async fn protect_addon(&self, record: AddonRecord, protected: Option<bool>) -> Result<AddonRecord, ControlError> {
        let Some(protected) = protected else { return Ok(record) };
        let id = record.spec.id;
        self.store.protect(id, protected).await?.map_err(|ProtectRefusal::Over| {
            ControlError::refused(Code::AddonOver, format!("the addon {id} is deleted or in error"))
        })
    }
}

fn last(record: &AddonRecord) -> Option<OperationId> {
    record.addon.operation.as_ref().map(|operation| operation.id)
}
