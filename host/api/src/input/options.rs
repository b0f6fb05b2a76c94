//! `PUT /v1/providers/{name}/options`

use serde::Deserialize;
use serde_json::{Map, Value};

/// All options; what is left out has its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptionsBody {
    options: Map<String, Value>,
}

impl OptionsBody {
    /// The options as one object.
    pub(crate) fn into_options(self) -> Value {
        Value::Object(self.options)
    }
}
