//! The sealing key: which one it is, and its rotation.

use std::sync::Arc;

use larder_domain::ports::{KeyState, Keys};

use crate::{Code, Control, ControlError};

impl Control {
    /// How the keys stand.
    ///
    /// # Errors
    /// `not_supported`.
    pub fn keys(&self) -> Result<KeyState, ControlError> {
        Ok(self.keeper()?.state())
    }

    /// Has everything be sealed with a new key, or goes on with that.
    ///
    /// # Errors
    /// `not_supported`, `internal`.
    pub async fn rotate_key(&self) -> Result<KeyState, ControlError> {
        let keeper = Arc::clone(self.keeper()?);
        let rotated = Self::whole(async move { keeper.rotate().await }).await;
        rotated.map_err(|error| {
            tracing::error!(error = crate::backups::chain(&error), "the key was not rotated");
            ControlError::refused(Code::Internal, "the key was not rotated; the one of before still holds")
        })
    }

    fn keeper(&self) -> Result<&Arc<dyn Keys>, ControlError> {
        let none = "this server's key is not its own to change";
        self.keys.as_ref().ok_or_else(|| ControlError::refused(Code::NotSupported, none))
    }
}
