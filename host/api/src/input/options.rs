//! `PUT /v1/providers/{name}/options`

use larder_domain::secret::SecretJson;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// All options; what is left out has its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptionsBody {
    #[serde(deserialize_with = "object")]
    options: SecretJson,
}

impl OptionsBody {
    /// The options as one object.
    pub(crate) fn into_options(self) -> SecretJson {
        self.options
    }
}

fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretJson, D::Error> {
    Map::<String, Value>::deserialize(deserializer).map(|object| Value::Object(object).into())
}
