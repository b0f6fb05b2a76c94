//! The body of `PATCH /v1/addons/{id}`.

use larder_control::PatchAddon;
use serde::Deserialize;

/// What is left out stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchBody {
    protected: Option<bool>,
}

impl PatchBody {
    /// The use case's request.
    pub(crate) const fn into_patch(self) -> PatchAddon {
        PatchAddon { protected: self.protected }
    }
}
