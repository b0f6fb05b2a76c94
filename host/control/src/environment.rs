//! The environment that an app is to be started with: its variables, and `LARDER_SERVICES` with every ready addon's credentials.

use larder_domain::ports::store::AddonFilter;
use larder_domain::secret::SecretJson;
use larder_domain::{AddonState, AppName, SecretString};
use serde_json::{Map, Value, json};

use crate::{Control, ControlError};

/// The variable that holds all credentials as one JSON object.
pub const SERVICES_VARIABLE: &str = "LARDER_SERVICES";
/// How many addons are read in one go.
const BATCH_ADDONS: usize = 256;

/// One variable of an environment. The name is text, since Larder's own names are among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: SecretString,
    /// Whether people and logs see dots instead.
    pub secret: bool,
}

impl Control {
    /// Everything that the app is to see, in order of names. `LARDER_SERVICES` is there once an addon is ready.
    ///
    /// # Errors
    /// `unknown_app`.
    pub async fn app_environment(&self, app: &AppName) -> Result<Vec<EnvironmentVariable>, ControlError> {
        let own = self.app_config(app).await?;
        let mut environment: Vec<EnvironmentVariable> = own
            .into_iter()
            .map(|v| EnvironmentVariable { name: v.name.into(), value: v.value, secret: v.secret })
            .collect();
        let services = self.services(app).await?;
        if !services.is_empty() {
            let value = SecretJson::from(Value::Object(services)).to_text();
            environment.push(EnvironmentVariable { name: SERVICES_VARIABLE.to_owned(), value, secret: true });
        }
        environment.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(environment)
    }

    async fn services(&self, app: &AppName) -> Result<Map<String, Value>, ControlError> {
        let mut services = Map::new();
        let mut filter = AddonFilter {
            app: Some(app.clone()),
            states: vec![AddonState::Ready],
            count_max: BATCH_ADDONS,
            ..AddonFilter::default()
        };
        loop {
            let batch = self.store.addons(filter.clone()).await?;
            for record in &batch {
                let Some(config) = self.store.addon_config(record.spec.id).await? else {
                    continue;
                };
                let credentials: Map<String, Value> =
                    config.credentials.iter().map(|c| (c.key.clone(), c.value.reveal().into())).collect();
                let spec = &record.spec;
                let entry = json!({ "provider": spec.provider, "service": spec.service, "plan": spec.plan, "credentials": credentials });
                services.insert(spec.name.to_string(), entry);
            }
            match batch.last() {
                Some(last) if batch.len() == BATCH_ADDONS => filter.after = Some(last.spec.id),
                _ => return Ok(services),
            }
        }
    }
}
