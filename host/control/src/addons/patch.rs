//! Changing an addon that is there.

use larder_domain::ports::store::ProtectRefusal;
use larder_domain::{AddonId, AddonRecord};

use crate::{Code, Control, ControlError};

/// What is to be changed; what is none stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatchAddon {
    /// Whether deleting it is refused.
    pub protected: Option<bool>,
}

impl Control {
    /// Changes an addon; the addon as it is then.
    ///
    /// # Errors
    /// `unknown_addon`, `addon_over`.
    pub async fn patch_addon(&self, id: AddonId, patch: PatchAddon) -> Result<AddonRecord, ControlError> {
        let PatchAddon { protected } = patch;
        match protected {
            Some(protected) => self.protect_addon(id, protected).await,
            None => self.addon(id).await,
        }
    }

    async fn protect_addon(&self, id: AddonId, protected: bool) -> Result<AddonRecord, ControlError> {
        self.store.protect(id, protected).await?.map_err(|ProtectRefusal::Over| {
            ControlError::refused(Code::AddonOver, format!("the addon {id} is deleted or in error"))
        })
    }
}
