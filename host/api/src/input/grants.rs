//! `PUT /v1/providers/{name}/grants`

use larder_control::Code;
use larder_domain::grants::Permission;
use serde::Deserialize;

use crate::problem::Problem;

/// All that the provider may do from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantsBody {
    grants: Vec<GrantBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantBody {
    capability: String,
    value: String,
}

impl GrantsBody {
    /// What is granted, read by its own grammar.
    pub(crate) fn into_permissions(self) -> Result<Vec<Permission>, Problem> {
        let permission = |grant: GrantBody| Permission::parse(&grant.capability, &grant.value);
        let all: Result<_, _> = self.grants.into_iter().map(permission).collect();
        all.map_err(|error| Problem::new(Code::InvalidGrant, error.to_string()))
    }
}
