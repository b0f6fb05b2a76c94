//! Operations on ready addons: what can be refused is refused here, and the rest is the worker's.

use larder_domain::operation::{NewOperation, Operation, OperationKind};
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::Interface;
use larder_domain::ports::store::{Change, Fence};
use larder_domain::{AddonId, AddonRecord, AddonState, Event, OperationId, ProvisionType};

use crate::{Code, Control, ControlError};

/// How long an operation may take whose plan says nothing of it, in milliseconds.
const DEADLINE_MS: u64 = 900_000;

impl Control {
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
        let wish = NewOperation { id, kind, deadline_ms: DEADLINE_MS, overlap_ms, change: None, after: None };
        self.operate(record, wish, None).await
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

    /// Stores the wish for an operation, and whether the addon is protected, if that is to change with it. It is refused if the addon is
    /// not ready or has one under way.
    pub(crate) async fn operate(
        &self,
        record: AddonRecord,
        wish: NewOperation,
        protected: Option<bool>,
    ) -> Result<AddonRecord, ControlError> {
        let id = record.spec.id;
        let change_asked = wish.change.clone();
        let event = Event::OperationRequested(Box::new(wish));
        let change = Change { protected, ..Change::new(id, event, Fence::User) };
        let control = self.clone();
        let applied = Self::whole(async move {
            let applied = control.store.apply(change).await?;
            // At most it was being asked how it does.
            control.drop_superseded(id).await;
            Ok::<_, StoreError>(applied)
        });
        match applied.await {
            Ok(applied) => Ok(AddonRecord { addon: applied.addon, change: change_asked, ..record }),
            Err(StoreError::Illegal(_)) => Err(in_the_way(&self.addon(id).await?)),
            Err(error) => Err(self.count_full(error.into())),
        }
    }
}

/// Why no operation can be begun.
pub(super) fn in_the_way(record: &AddonRecord) -> ControlError {
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

pub(super) fn not_served(record: &AddonRecord) -> ControlError {
    let spec = &record.spec;
    let message = format!("no active version of the provider {} serves the service {}", spec.provider, spec.service);
    ControlError::refused(Code::NotSupported, message)
}
