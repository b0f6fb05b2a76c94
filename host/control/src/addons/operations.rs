//! Operations on ready addons: what can be refused is refused here, and the rest is the worker's.

use larder_domain::operation::{NewOperation, Operation, OperationKind, PlanAndParameters};
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::Interface;
use larder_domain::ports::store::{Change, Fence};
use larder_domain::{AddonId, AddonRecord, AddonState, Event, OperationId, PlanName, ProvisionType};
use serde_json::Value;

use super::create::{check_parameters, choose_plan};
use crate::{Code, Control, ControlError};

/// What is to become of an addon. What is left out stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpdateAddon {
    /// In which size.
    pub plan: Option<PlanName>,
    /// The whole parameters.
    pub parameters: Option<Value>,
}

/// How long an operation may take whose plan says nothing of it, in milliseconds.
const DEADLINE_MS: u64 = 900_000;

impl Control {
    /// Gives an addon another plan or other parameters. Returns at once; nothing happens if it has them already.
    ///
    /// # Errors
    /// `unknown_addon`, `unknown_plan`, `invalid_parameters`, `not_supported`, `not_ready`, `operation_in_progress`.
    pub async fn update_addon(&self, id: AddonId, update: UpdateAddon) -> Result<AddonRecord, ControlError> {
        let record = self.addon(id).await?;
        let (spec, kind) = (&record.spec, OperationKind::Update);
        let offers = self.offers().await?;
        let offer = offers.0.get(&spec.provider).ok_or_else(|| not_served(&record))?;
        let service = offer.manifest.service(&spec.service).ok_or_else(|| not_served(&record))?;
        let plan = choose_plan(service, Some(update.plan.as_ref().unwrap_or(&spec.plan)))?;
        let parameters = update.parameters.unwrap_or_else(|| spec.parameters.clone());
        check_parameters(offer, service, plan, &parameters)?;
        let change = PlanAndParameters { plan: plan.name.clone(), parameters };
        if change.plan == spec.plan && change.parameters == spec.parameters && record.addon.running().is_none() {
            return Ok(record);
        }
        self.supports(&record, Interface::Update).await?;
        let deadline_ms = u64::from(plan.provision_deadline_s) * 1000;
        let id = OperationId::generate();
        self.operate(record, NewOperation { id, kind, deadline_ms, overlap_ms: 0, change: Some(change) }).await
    }

    /// Gives an addon new credentials; the old ones work for `overlap_ms` more.
    ///
    /// # Errors
    /// `unknown_addon`, `invalid_overlap`, `not_supported`, `not_ready`, `operation_in_progress`.
    pub async fn rotate_addon(&self, id: AddonId, overlap_ms: u64) -> Result<AddonRecord, ControlError> {
        if overlap_ms > Operation::OVERLAP_MS_MAX {
            let longest_s = Operation::OVERLAP_MS_MAX / 1000;
            let message = format!("old credentials can work for at most {longest_s} s beside the new ones");
            return Err(ControlError::refused(Code::InvalidOverlap, message));
        }
        let record = self.addon(id).await?;
        self.supports(&record, Interface::Rotation).await?;
        let (id, kind) = (OperationId::generate(), OperationKind::Rotate);
        self.operate(record, NewOperation { id, kind, deadline_ms: DEADLINE_MS, overlap_ms, change: None }).await
    }

    /// Whether the version that serves an addon exports an interface, and the addon has a resource of its own.
    pub(crate) async fn supports(&self, record: &AddonRecord, interface: Interface) -> Result<(), ControlError> {
        let spec = &record.spec;
        if spec.provision_type == ProvisionType::Shared {
            let owner = spec.parent.map(|id| id.to_string()).unwrap_or_default();
            let message = format!("the addon {} shares the resource of {owner}: ask that one", spec.id);
            return Err(ControlError::refused(Code::NotSupported, message));
        }
        let offers = self.offers().await?;
        let offer = offers.0.get(&spec.provider).ok_or_else(|| not_served(record))?;
        if offer.exports.contains(&interface) {
            return Ok(());
        }
        let message = format!("the provider {} does not export `{interface}`", spec.provider);
        Err(ControlError::refused(Code::NotSupported, message))
    }

    /// Stores the wish for an operation. It is refused if the addon is not ready or has one under way.
    pub(crate) async fn operate(&self, record: AddonRecord, wish: NewOperation) -> Result<AddonRecord, ControlError> {
        let id = record.spec.id;
        let change_asked = wish.change.clone();
        let event = Event::OperationRequested(Box::new(wish));
        let change = Change::new(id, event, Fence::User);
        let control = self.clone();
        let applied = Self::whole(async move {
            let applied = control.store.apply(change).await?;
            // At most it was being asked how it does.
            control.running.cancel(id);
            Ok::<_, StoreError>(applied)
        });
        match applied.await {
            Ok(applied) => Ok(AddonRecord { addon: applied.addon, change: change_asked, ..record }),
            Err(StoreError::Illegal(_)) => Err(in_the_way(&self.addon(id).await?)),
            Err(error) => Err(error.into()),
        }
    }
}

fn in_the_way(record: &AddonRecord) -> ControlError {
    let id = record.spec.id;
    match (record.addon.state, record.addon.running()) {
        (AddonState::Ready, Some(operation)) => {
            let message =
                format!("the addon {id} has an operation under way: {}, {}", operation.kind, operation.message);
            ControlError::refused(Code::OperationInProgress, message)
        }
        (AddonState::Ready, None) => {
            ControlError::refused(Code::OperationInProgress, format!("the addon {id} had an operation under way"))
        }
        (state, _) => ControlError::refused(Code::NotReady, format!("the addon {id} is {state}, and not ready")),
    }
}

fn not_served(record: &AddonRecord) -> ControlError {
    let spec = &record.spec;
    let message = format!("no active version of the provider {} serves the service {}", spec.provider, spec.service);
    ControlError::refused(Code::NotSupported, message)
}
