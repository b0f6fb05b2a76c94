//! The body of `PUT /v1/apps/{app}/network`.

use larder_control::{Code, ControlError};
use larder_domain::NetworkName;
use serde::Deserialize;

use super::engine::given;

/// The network that an app's own containers are in; `null` for none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppNetworkBody {
    #[serde(deserialize_with = "given")]
    network: Option<String>,
}

impl AppNetworkBody {
    pub(crate) fn into_network(self) -> Result<Option<NetworkName>, ControlError> {
        let refused = |error| ControlError::refused(Code::InvalidNetwork, format!("{error}"));
        self.network.map(|name| name.parse().map_err(|error: larder_domain::NameError| refused(error))).transpose()
    }
}
