//! The body of `PUT /v1/apps/{app}/engine`.

use larder_control::ControlError;
use larder_domain::engines::EngineWish;
use serde::{Deserialize, Deserializer};

use super::create::wish;

/// A wish for an engine; `null` takes it back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppEngineBody {
    #[serde(deserialize_with = "given")]
    engine: Option<String>,
}

impl AppEngineBody {
    pub(crate) fn into_wish(self) -> Result<Option<EngineWish>, ControlError> {
        self.engine.as_deref().map(wish).transpose()
    }
}

/// What is left out is no `null`.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}
