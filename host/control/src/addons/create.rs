//! Creating an addon: everything that can be refused is refused here, before anything is stored.

use std::sync::Arc;
use std::time::Duration;

use larder_domain::addon::DeclaredVariables;
use larder_domain::engines::{EngineWish, Placement};
use larder_domain::limits::PARAMETERS_BYTES_MAX;
use larder_domain::manifest::{Plan, Service};
use larder_domain::ports::runtime::Interface;
use larder_domain::ports::store::{CreateRefusal, Created, Idempotency, NewAddon};
use larder_domain::secret::SecretJson;
use larder_domain::secret::Seed;
use larder_domain::variables::Prefix;
use larder_domain::{
    Addon, AddonId, AddonName, AddonRecord, AddonSpec, AppName, ComponentKind, PlanName, ProviderName, ProvisionType,
    Role, ServiceName, VariableName, WallTime,
};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::WAIT_POLL_MS;
use crate::apps::unknown as unknown_app;
use crate::engines::unfit;
use crate::offers::{Offer, Offers};
use crate::{Code, Control, ControlError};

/// What a developer asks for.
#[derive(Debug, Clone)]
pub struct CreateAddon {
    /// For whom.
    pub app: AppName,
    /// What.
    pub service: ServiceName,
    /// By whom; needed only if several offer the service.
    pub provider: Option<ProviderName>,
    /// In which size; the service's first plan if left out.
    pub plan: Option<PlanName>,
    /// Under which name; the service's if left out.
    pub name: Option<AddonName>,
    /// How it comes by its resource; its own if left out.
    pub provision_type: Option<ProvisionType>,
    /// Put before each variable's name.
    pub attach_as: Option<Prefix>,
    /// The experiment whose addon of the same name it shares.
    pub shared_experiment: Option<String>,
    /// That experiment's app; its own if left out.
    pub shared_app: Option<String>,
    /// A JSON object for the provider.
    pub parameters: SecretJson,
    /// Whether deleting it is refused.
    pub protected: bool,
    /// On which engine it is to be; on the one with the most room if left out.
    pub engine: Option<EngineWish>,
    /// Makes the request recognisable when it comes again.
    pub idempotency: Option<Idempotency>,
}

/// Whether creating made something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewAddonState {
    /// The addon is new.
    Created,
    /// The same request had made it before.
    Replayed,
}

impl Control {
    /// Creates an addon and returns at once; the worker does the rest.
    ///
    /// # Errors
    /// Everything in the request that can't be had; nothing is stored then.
    pub async fn create_addon(&self, request: CreateAddon) -> Result<(AddonRecord, NewAddonState), ControlError> {
        self.create_addon_as(AddonId::generate(), request).await
    }

    /// Creates an addon and waits until it is ready or terminal, or the time is over; the addon as it is then. `waits` is called when
    /// nothing is left to do but wait.
    ///
    /// # Errors
    /// As for [`Control::create_addon`].
    pub async fn create_addon_and_wait(
        &self,
        request: CreateAddon,
        at_most: Duration,
        waits: impl FnOnce() + Send,
    ) -> Result<(AddonRecord, NewAddonState), ControlError> {
        let (id, until) = (AddonId::generate(), Instant::now() + at_most);
        // Listening before the addon is there makes it needless to look whether it has settled already.
        let waiting = self.waiters.register(id);
        let settled = waiting.woken.notified();
        let created = self.create_addon_as(id, request).await;
        waits();
        if matches!(created, Ok((_, NewAddonState::Created))) {
            // Settled or not: what is not known then is read.
            let _settled = timeout(at_most.min(Duration::from_millis(WAIT_POLL_MS)), settled).await;
        }
        self.waiters.leave(id, &waiting);
        let (record, state) = created?;
        // Whoever creates an addon has told nobody of it yet, so nobody expects to find here what was changed since.
        if let Some(record) = waiting.settled.get() {
            return Ok((record.clone(), state));
        }
        let left = until.saturating_duration_since(Instant::now());
        match self.wait_for_addon(record.spec.id, left).await {
            // It is there all the same, and must not seem to be none.
            Err(ControlError::Refused { code: Code::Overloaded, .. }) => Ok((record, state)),
            waited => Ok((waited?, state)),
        }
    }

    async fn create_addon_as(
        &self,
        id: AddonId,
        request: CreateAddon,
    ) -> Result<(AddonRecord, NewAddonState), ControlError> {
        let new = match self.new_addon(id, &request).await {
            Ok(new) => new,
            // What was granted once stays granted, even if it could not be had any more.
            Err(refused) => return self.replay(&request).await?.ok_or(refused),
        };
        match self.store.create_addon(new).await? {
            Ok(Created::New(record)) => Ok((record, NewAddonState::Created)),
            Ok(Created::Replayed(record)) => Ok((record, NewAddonState::Replayed)),
            Err(refusal) => Err(self.count_full(refused(refusal, &request))),
        }
    }
}

impl Control {
    async fn new_addon(&self, id: AddonId, request: &CreateAddon) -> Result<NewAddon, ControlError> {
        let offers = self.offers().await?;
        let (offer, service) = choose(&offers, request)?;
        let plan = choose_plan(service, request.plan.as_ref())?;
        let provision_type = request.provision_type.unwrap_or(ProvisionType::Independent);
        check_provision_type(service, provision_type)?;
        check_parameters(offer, service, plan, &request.parameters)?;
        let reserve = names_to_reserve(service, request.attach_as.as_ref())?;
        let parent = self.owner(request, service, provision_type).await?;
        let engine = self.placement(offer, plan, &request.app, request.engine.as_ref()).await?;
        let server = match provision_type {
            ProvisionType::Communal => Some(Box::new(self.communal_server(offer, service, plan, engine.clone())?)),
            ProvisionType::Independent | ProvisionType::Shared => None,
        };
        let mut addon = self.addon_of(id, offer, plan);
        if provision_type == ProvisionType::Shared {
            // What it shares is its owner's, and so is the question how that does.
            addon.health_every_ms = None;
        }
        Ok(NewAddon {
            addon,
            seed: new_seed()?,
            server,
            engine,
            reserve,
            app_addons_max: self.app_addons_max,
            idempotency: request.idempotency.clone(),
            spec: AddonSpec { parent, ..spec(id, request.clone(), offer, service, plan) },
        })
    }

    fn addon_of(&self, id: AddonId, offer: &Offer, plan: &Plan) -> Addon {
        let deadline_ms = u64::from(plan.provision_deadline_s) * 1000;
        let health_every_ms = offer.exports.contains(&Interface::Health).then_some(Addon::HEALTH_EVERY_MS);
        let addon = Addon::new(id, deadline_ms, plan.failed_attempts_max, self.store.now());
        Addon { health_every_ms, ..addon }
    }

    /// The server that communal addons of a plan share: it belongs to no app, and only an operator deletes it.
    fn communal_server(
        &self,
        offer: &Offer,
        service: &Service,
        plan: &Plan,
        engine: Option<Placement>,
    ) -> Result<NewAddon, ControlError> {
        let id = AddonId::generate();
        let spec = AddonSpec {
            id,
            kind: ComponentKind::Provider,
            app: None,
            name: AddonName::from(&service.name),
            provider: offer.provider.clone(),
            service: service.name.clone(),
            plan: plan.name.clone(),
            provision_type: ProvisionType::Communal,
            role: Role::Server,
            parent: None,
            attach_as: None,
            parameters: Value::Object(serde_json::Map::new()).into(),
            variables: service.variables.clone(),
            protected: false,
            external_id: None,
            created_at: WallTime::default(),
        };
        let addon = self.addon_of(id, offer, plan);
        let (reserve, app_addons_max) = (vec![], self.app_addons_max);
        Ok(NewAddon {
            spec,
            addon,
            seed: new_seed()?,
            server: None,
            engine,
            reserve,
            app_addons_max,
            idempotency: None,
        })
    }

    /// The addon that the same request made before, if it carries a key.
    async fn replay(&self, request: &CreateAddon) -> Result<Option<(AddonRecord, NewAddonState)>, ControlError> {
        let Some(idempotency) = &request.idempotency else { return Ok(None) };
        match self.store.created_before(idempotency).await? {
            Ok(earlier) => Ok(earlier.map(|record| (record, NewAddonState::Replayed))),
            Err(refusal) => Err(refused(refusal, request)),
        }
    }
}

fn choose<'a>(offers: &'a Offers, request: &'a CreateAddon) -> Result<(&'a Arc<Offer>, &'a Service), ControlError> {
    let service = &request.service;
    if let Some(provider) = &request.provider {
        let offer = offers.0.get(provider).ok_or_else(|| {
            ControlError::refused(
                Code::UnknownProvider,
                format!("there is no provider {provider} with an active version"),
            )
        })?;
        let found = offer.manifest.service(service).map(|found| (offer, found));
        return found.ok_or_else(|| {
            ControlError::refused(Code::UnknownService, format!("the provider {provider} offers no service {service}"))
        });
    }
    let mut found = offers.of(service);
    let first = found.next().ok_or_else(|| {
        ControlError::refused(Code::UnknownService, format!("no provider offers the service {service}"))
    })?;
    let others: Vec<&str> = found.map(|(offer, _)| offer.provider.as_str()).collect();
    if others.is_empty() {
        return Ok(first);
    }
    let names = [&[first.0.provider.as_str()], others.as_slice()].concat().join(", ");
    Err(ControlError::refused(Code::AmbiguousService, format!("the service {service} is offered by {names}")))
}

pub(super) fn choose_plan<'a>(service: &'a Service, plan: Option<&PlanName>) -> Result<&'a Plan, ControlError> {
    service.plan(plan).ok_or_else(|| {
        let plans: Vec<&str> = service.plans.iter().map(|plan| plan.name.as_str()).collect();
        let asked = plan.map(PlanName::as_str).unwrap_or_default();
        let message = format!("the service {} has no plan {asked}; it has {}", service.name, plans.join(", "));
        ControlError::refused(Code::UnknownPlan, message)
    })
}

fn check_provision_type(service: &Service, asked: ProvisionType) -> Result<(), ControlError> {
    if !service.provision_types.contains(&asked) {
        let offered: Vec<&str> = service.provision_types.iter().map(|t| t.as_str()).collect();
        let message = format!("the service {} is not offered as {asked}, only as {}", service.name, offered.join(", "));
        return Err(ControlError::refused(Code::ProvisionTypeNotOffered, message));
    }
    Ok(())
}

pub(super) fn check_parameters(
    offer: &Offer,
    service: &Service,
    plan: &Plan,
    parameters: &SecretJson,
) -> Result<(), ControlError> {
    let refuse = |reason: String| ControlError::refused(Code::InvalidParameters, reason);
    let bytes = parameters.to_text().reveal().len();
    if bytes > PARAMETERS_BYTES_MAX {
        return Err(refuse(format!("the parameters have {bytes} bytes; at most {PARAMETERS_BYTES_MAX} are allowed")));
    }
    offer.validate(service, plan, parameters.reveal()).map_err(refuse)
}

fn names_to_reserve(service: &Service, prefix: Option<&Prefix>) -> Result<Vec<VariableName>, ControlError> {
    match &service.variables {
        DeclaredVariables::Any(_) => Ok(vec![]),
        DeclaredVariables::Names(names) => Ok(names.iter().map(|n| n.prefixed(prefix)).collect::<Result<_, _>>()?),
    }
}

fn spec(id: AddonId, request: CreateAddon, offer: &Offer, service: &Service, plan: &Plan) -> AddonSpec {
    AddonSpec {
        id,
        kind: ComponentKind::Provider,
        app: Some(request.app),
        name: request.name.unwrap_or_else(|| AddonName::from(&service.name)),
        provider: offer.provider.clone(),
        service: service.name.clone(),
        plan: plan.name.clone(),
        provision_type: request.provision_type.unwrap_or(ProvisionType::Independent),
        role: Role::User,
        parent: None,
        attach_as: request.attach_as,
        parameters: request.parameters,
        variables: service.variables.clone(),
        protected: request.protected,
        external_id: None,
        created_at: WallTime::default(),
    }
}

fn new_seed() -> Result<Seed, ControlError> {
    let mut seed = Seed([0; 32]);
    getrandom::fill(&mut seed.0)
        .map_err(|error| ControlError::refused(Code::Internal, format!("the system has no randomness: {error}")))?;
    Ok(seed)
}

fn refused(refusal: CreateRefusal, request: &CreateAddon) -> ControlError {
    match refusal {
        CreateRefusal::NoApp(app) => unknown_app(&app),
        CreateRefusal::NameTaken => {
            let name = request.name.as_ref().map_or(request.service.as_str(), AddonName::as_str);
            ControlError::refused(Code::NameTaken, format!("the app {} has an addon named {name} already", request.app))
        }
        CreateRefusal::VariableTaken { variable, owner } => {
            let owner = owner.map_or_else(|| "is the app's own".to_owned(), |id| format!("belongs to the addon {id}"));
            ControlError::refused(
                Code::VariableTaken,
                format!("the app {} has {variable} already: it {owner}", request.app),
            )
        }
        CreateRefusal::Quota(full) => full.into(),
        CreateRefusal::ParentGone => {
            ControlError::refused(Code::UnknownOwner, "the addon whose resource it would share was deleted meanwhile")
        }
        CreateRefusal::ParentElsewhere(engine) => {
            unfit(format!("the addon that it would be a part of is on the engine `{engine}`, and so would it be"))
        }
        CreateRefusal::IdempotencyMismatch => ControlError::refused(
            Code::IdempotencyMismatch,
            "this Idempotency-Key came before with another body; nothing was done now",
        ),
    }
}
