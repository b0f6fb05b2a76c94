//! The sealing key: which one it is, and its rotation.

use std::sync::Arc;

use larder_domain::ports::{KeyState, Keys, KeysError};

use crate::{Code, Control, ControlError};

impl Control {
    /// How the keys stand.
    ///
    /// # Errors
    /// `not_supported`.
    pub async fn keys(&self) -> Result<KeyState, ControlError> {
        self.keeper()?.state().await.map_err(told)
    }

    /// Has everything be sealed with a new key, or goes on with that.
    ///
    /// # Errors
    /// `not_supported`, `rotation_refused`, `internal`.
    pub async fn rotate_key(&self) -> Result<KeyState, ControlError> {
        let keeper = Arc::clone(self.keeper()?);
        Self::whole(async move { keeper.rotate().await }).await.map_err(told)
    }

    fn keeper(&self) -> Result<&Arc<dyn Keys>, ControlError> {
        let none = "this server's key is not its own to change";
        self.keys.as_ref().ok_or_else(|| ControlError::refused(Code::NotSupported, none))
    }
}

fn told(error: KeysError) -> ControlError {
    match error {
        KeysError::Refused(why) => ControlError::refused(Code::RotationRefused, why),
        KeysError::Store(error) => error.into(),
        KeysError::Failed(_) => {
            tracing::error!(error = crate::backups::chain(&error), "the key was not rotated");
            ControlError::refused(Code::Internal, "the key was not rotated; the one of before still holds")
        }
    }
}
