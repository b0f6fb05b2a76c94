//! The body of `POST /v1/apps/{app}/addons`.

use std::str::FromStr;

use larder_control::{Code, ControlError, CreateAddon};
use larder_domain::engines::EngineWish;
use larder_domain::ports::store::Idempotency;
use larder_domain::secret::SecretJson;
use larder_domain::variables::Prefix;
use larder_domain::{AppName, NameError, ProvisionType};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Names are texts here, so that a bad one gets a code of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateBody {
    service: String,
    provider: Option<String>,
    plan: Option<String>,
    name: Option<String>,
    provision_type: Option<ProvisionType>,
    attach_as: Option<String>,
    #[serde(default, deserialize_with = "object")]
    parameters: Option<SecretJson>,
    protected: Option<bool>,
    engine: Option<String>,
    shared_experiment_name: Option<String>,
    shared_app_name: Option<String>,
}

impl CreateBody {
    /// The use case's request.
    pub(crate) fn into_request(
        self,
        app: AppName,
        idempotency: Option<Idempotency>,
    ) -> Result<CreateAddon, ControlError> {
        Ok(CreateAddon {
            app,
            service: self.service.parse()?,
            provider: name(self.provider)?,
            plan: name(self.plan)?,
            name: name(self.name)?,
            provision_type: self.provision_type,
            attach_as: self.attach_as.as_deref().map(prefix).transpose()?,
            parameters: self.parameters.unwrap_or_else(|| Value::Object(Map::new()).into()),
            shared_experiment: self.shared_experiment_name,
            shared_app: self.shared_app_name,
            protected: self.protected.unwrap_or_default(),
            engine: self.engine.as_deref().map(wish).transpose()?,
            idempotency,
        })
    }
}

/// An object, or nothing.
pub(super) fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretJson>, D::Error> {
    Ok(Option::<Map<String, Value>>::deserialize(deserializer)?.map(|object| Value::Object(object).into()))
}

fn name<T: FromStr<Err = NameError>>(text: Option<String>) -> Result<Option<T>, ControlError> {
    Ok(text.as_deref().map(str::parse).transpose()?)
}

/// A wish for an engine.
pub(super) fn wish(text: &str) -> Result<EngineWish, ControlError> {
    text.parse().map_err(|error| ControlError::refused(Code::InvalidEngine, format!("{error}")))
}

fn prefix(text: &str) -> Result<Prefix, ControlError> {
    text.parse().map_err(|error| ControlError::refused(Code::InvalidAttachAs, format!("{error}")))
}
