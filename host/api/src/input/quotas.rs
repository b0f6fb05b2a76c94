//! The bodies of `PUT /v1/apps/{app}/quota` and `PUT /v1/providers/{name}/quotas`.

use std::collections::BTreeMap;

use larder_control::ControlError;
use larder_domain::PlanName;
use serde::Deserialize;

use super::engine::given;
use crate::problem::Problem;

/// How many live addons an app may have; `null` for what all may have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppQuotaBody {
    #[serde(deserialize_with = "given")]
    addons_max: Option<u32>,
}

impl AppQuotaBody {
    pub(crate) fn addons_max(&self) -> Option<u64> {
        self.addons_max.map(u64::from)
    }
}

/// All quotas of a provider's plans.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotasBody {
    quotas: BTreeMap<String, u32>,
}

impl QuotasBody {
    pub(crate) fn into_quotas(self) -> Result<BTreeMap<PlanName, u64>, Problem> {
        let quota = |(plan, limit): (String, u32)| Ok((plan.parse().map_err(ControlError::from)?, u64::from(limit)));
        self.quotas.into_iter().map(quota).collect()
    }
}
