//! The bodies of `PATCH /v1/addons/{id}` and `POST /v1/addons/{id}/rotate`.

use larder_control::PatchAddon;
use larder_domain::PlanName;
use larder_domain::secret::SecretJson;
use serde::Deserialize;

use super::create::object;

/// How long old credentials work beside new ones if nobody says, in seconds.
const OVERLAP_S: u64 = 600;

/// What is left out stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchBody {
    protected: Option<bool>,
    plan: Option<PlanName>,
    #[serde(default, deserialize_with = "object")]
    parameters: Option<SecretJson>,
}

impl PatchBody {
    /// The use case's request.
    pub(crate) fn into_patch(self) -> PatchAddon {
        let Self { protected, plan, parameters } = self;
        PatchAddon { protected, plan, parameters }
    }
}

/// Everything may be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateBody {
    overlap_s: Option<u64>,
}

impl RotateBody {
    /// How long old credentials work beside new ones, in milliseconds.
    pub(crate) fn overlap_ms(&self) -> u64 {
        self.overlap_s.unwrap_or(OVERLAP_S).saturating_mul(1000)
    }
}
