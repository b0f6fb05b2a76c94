//! `larder:host/addon`: what the call is about.

use std::sync::Arc;

use larder_domain::AddonSpec;
use larder_domain::SecretString;
use larder_domain::operation::PlanAndParameters;
use wasmtime::component::Resource;

use crate::bindings::TheAddon;
use crate::bindings::addon::{Host, HostAddon, ProvisionType, Role, ServerEntry};

/// The addon of a call.
pub(crate) struct AddonFacts {
    about: Option<About>,
}

struct About {
    spec: Arc<AddonSpec>,
    generation: u32,
    previous: Option<PlanAndParameters>,
    server_config: Vec<(String, SecretString)>,
}

impl AddonFacts {
    /// This one.
    pub(crate) fn of(
        spec: Arc<AddonSpec>,
        generation: u32,
        previous: Option<PlanAndParameters>,
        server_config: Vec<(String, SecretString)>,
    ) -> Self {
        Self { about: Some(About { spec, generation, previous, server_config }) }
    }

    fn previous(&self) -> Option<&PlanAndParameters> {
        self.about.as_ref()?.previous.as_ref()
    }

    /// The call is about no addon.
    pub(crate) fn none() -> Self {
        Self { about: None }
    }

    fn spec(&self) -> wasmtime::Result<&AddonSpec> {
        match &self.about {
            Some(about) => Ok(&about.spec),
            None => wasmtime::bail!("this call is about no addon"),
        }
    }
}

impl Host for AddonFacts {}

impl HostAddon for AddonFacts {
    fn id(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<String> {
        Ok(self.spec()?.id.to_string())
    }

    fn name(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<String> {
        Ok(self.spec()?.name.to_string())
    }

    fn app(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<Option<String>> {
        Ok(self.spec()?.app.as_ref().map(ToString::to_string))
    }

    fn service(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<String> {
        Ok(self.spec()?.service.to_string())
    }

    fn plan(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<String> {
        Ok(self.spec()?.plan.to_string())
    }

    fn provision_type(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<ProvisionType> {
        use larder_domain::ProvisionType as Domain;
        Ok(match self.spec()?.provision_type {
            Domain::Independent => ProvisionType::Independent,
            Domain::Communal => ProvisionType::Communal,
            Domain::Shared => ProvisionType::Shared,
        })
    }

    fn role(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<Role> {
        Ok(match self.spec()?.role {
            larder_domain::Role::User => Role::User,
            larder_domain::Role::Server => Role::Server,
        })
    }

    fn parameters_json(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<String> {
        Ok(self.spec()?.parameters.to_text().reveal().to_owned())
    }

    fn generation(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<u32> {
        Ok(self.about.as_ref().map_or(0, |about| about.generation))
    }

    fn previous_plan(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<Option<String>> {
        Ok(self.previous().map(|previous| previous.plan.to_string()))
    }

    fn previous_parameters_json(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<Option<String>> {
        Ok(self.previous().map(|previous| previous.parameters.to_text().reveal().to_owned()))
    }

    fn server_config(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<Vec<ServerEntry>> {
        let entries = self.about.as_ref().map_or(&[][..], |about| &about.server_config);
        Ok(entries
            .iter()
            .map(|(key, value)| ServerEntry { key: key.clone(), value: value.reveal().to_owned() })
            .collect())
    }

    fn drop(&mut self, _: Resource<TheAddon>) -> wasmtime::Result<()> {
        Ok(())
    }
}
