//! Changing an addon that is there.

use larder_domain::ports::store::ProtectRefusal;
use larder_domain::{AddonId, AddonRecord, PlanName};
use serde_json::Value;

use super::operations::UpdateAddon;
use crate::{Code, Control, ControlError};

/// What is to be changed; what is none stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PatchAddon {
    /// Whether deleting it is refused.
    pub protected: Option<bool>,
    /// Its plan.
    pub plan: Option<PlanName>,
    /// Its parameters, all of them.
    pub parameters: Option<Value>,
}

impl Control {
    /// Changes an addon; the addon as it is then. What its provider has to do is begun, and not awaited.
    ///
    /// # Errors
    /// `unknown_addon`, `addon_over`; and for plan and parameters what [`Control::update_addon`] refuses.
    pub async fn patch_addon(&self, id: AddonId, patch: PatchAddon) -> Result<AddonRecord, ControlError> {
        let PatchAddon { protected, plan, parameters } = patch;
        // First what can be refused for more reasons.
        let updated = match (plan, parameters) {
            (None, None) => self.addon(id).await?,
            (plan, parameters) => self.update_addon(id, UpdateAddon { plan, parameters }).await?,
        };
        match protected {
            Some(protected) => self.protect_addon(id, protected).await,
            None => Ok(updated),
        }
    }

    async fn protect_addon(&self, id: AddonId, protected: bool) -> Result<AddonRecord, ControlError> {
        self.store.protect(id, protected).await?.map_err(|ProtectRefusal::Over| {
            ControlError::refused(Code::AddonOver, format!("the addon {id} is deleted or in error"))
        })
    }
}
