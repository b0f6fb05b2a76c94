//! `PUT /v1/providers/{name}/limits`

use std::collections::BTreeMap;

use larder_control::Code;
use larder_domain::limits::ProviderLimits;
use serde::Deserialize;

use crate::problem::Problem;

/// All limits that are not to be the defaults.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsBody {
    limits: BTreeMap<String, u64>,
}

impl LimitsBody {
    /// The limits, within their bounds.
    pub(crate) fn into_limits(self) -> Result<ProviderLimits, Problem> {
        let named = self.limits.iter().map(|(name, value)| (name.as_str(), *value));
        ProviderLimits::parse(named).map_err(|error| Problem::new(Code::InvalidLimit, error.to_string()))
    }
}
