//! Every export of a version called once before it may serve: about an addon that is none, with nothing granted. What breaks
//! down here would break down under the first user; any typed answer will do, a refusal too.

use std::sync::Arc;

use async_trait::async_trait;
use larder_domain::failure::{Fault, FaultCode};
use larder_domain::limits::CallLimits;
use larder_domain::manifest::Manifest;
use larder_domain::operation::PlanAndParameters;
use larder_domain::ports::runtime::{Call, CallContext, ContextError, Export, GuestState, Interface};
use larder_domain::secret::{SecretString, Seed};
use larder_domain::{AddonId, AddonName, AddonSpec, ComponentKind, Digest, ProviderName, Role, WallTime};
use serde_json::json;

use crate::Control;

/// In the order in which an addon would see them; those of optional interfaces only where they are there.
const EXPORTS: [Export; 10] = [
    Export::BeginProvision,
    Export::ProvisionComplete,
    Export::GetConfig,
    Export::CheckHealth,
    Export::BeginUpdate,
    Export::BeginRotation,
    Export::EndRotation,
    Export::BeginExport,
    Export::BeginImport,
    Export::Deprovision,
];

/// How a trial failed.
pub(super) enum Failed {
    /// The host could not hold it.
    Host(String),
    /// This export broke down.
    Broke(Export, Fault),
}

/// Calls every export of the version once.
pub(super) async fn hold(
    control: &Control,
    provider: &ProviderName,
    digest: Digest,
    manifest: &Manifest,
    exports: &[Interface],
    options: &SecretString,
    limits: CallLimits,
) -> Result<(), Failed> {
    let Some(spec) = spec(provider, manifest) else { return Ok(()) };
    let mut seed = Seed([0; 32]);
    getrandom::fill(&mut seed.0).map_err(|error| Failed::Host(error.to_string()))?;
    let (spec, mut state) = (Arc::new(spec), GuestState::new());
    let is_there = |export: &Export| export.interface().is_none_or(|interface| exports.contains(&interface));
    for export in EXPORTS.into_iter().filter(is_there) {
        let as_it_is = PlanAndParameters { plan: spec.plan.clone(), parameters: spec.parameters.clone() };
        let call = Call {
            digest,
            export,
            addon: Arc::clone(&spec),
            generation: u32::from(export.interface() == Some(Interface::Rotation)),
            previous: (export == Export::BeginUpdate).then_some(as_it_is),
            server_config: vec![],
            seed: seed.clone(),
            options: options.clone(),
            state: Some(state.clone()),
            limits,
            log: Arc::default(),
            network: Arc::default(),
            docker: Arc::default(),
            objects: None,
            context: Arc::new(Nowhere),
        };
        let report = control.runtime.call(call).await;
        match report.outcome {
            Ok(_) => state = report.state.unwrap_or(state),
            Err(Fault { code: FaultCode::Host, detail }) => return Err(Failed::Host(detail)),
            Err(fault) => return Err(Failed::Broke(export, fault)),
        }
    }
    Ok(())
}

/// An addon of the first service and plan, for no app and without parameters.
fn spec(provider: &ProviderName, manifest: &Manifest) -> Option<AddonSpec> {
    let service = manifest.services.first()?;
    Some(AddonSpec {
        id: AddonId::generate(),
        kind: ComponentKind::Provider,
        app: None,
        name: AddonName::from(&service.name),
        provider: provider.clone(),
        service: service.name.clone(),
        plan: service.plans.first()?.name.clone(),
        provision_type: service.provision_types.first().copied()?,
        role: Role::User,
        attach_as: None,
        parameters: json!({}).into(),
        variables: service.variables.clone(),
        protected: false,
        external_id: None,
        parent: None,
        created_at: WallTime::default(),
    })
}

/// State that is kept for the trial alone.
struct Nowhere;

#[async_trait]
impl CallContext for Nowhere {
    async fn load_state(&self) -> Result<GuestState, ContextError> {
        Ok(GuestState::new())
    }

    async fn checkpoint(&self, _state: &GuestState) -> Result<(), ContextError> {
        Ok(())
    }
}
