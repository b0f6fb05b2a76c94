//! What is done to an addon that is ready: the first and the last calls of operations, and the question how it does. Between them,
//! an operation goes through the same steps as provisioning.

use std::time::Duration;

use larder_domain::docker::{Objects, Refused};
use larder_domain::failure::{GuestFailure, StepFailure};
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::{Export, Interface, Reply};
use larder_domain::transfer::Transfer;
use larder_domain::{Event, SecretString, Step};

use super::called::{Called, Outcome};
use super::drive::{Drive, Earlier};
use super::loaded;

impl Drive {
    /// A step that only operations have.
    pub(super) async fn operate(&self, step: Step) -> Outcome {
        let export = match step {
            Step::BeginUpdate => Export::BeginUpdate,
            Step::BeginRotation => Export::BeginRotation,
            Step::BeginExport => Export::BeginExport,
            Step::BeginImport => Export::BeginImport,
            _ => Export::EndRotation,
        };
        let mut called = self.call(export, Earlier::default()).await;
        if let Ok(Reply::Transfer(described)) = &called.answer {
            let described = described.clone();
            self.check_transfer(&described, &mut called).await;
        }
        called.into_outcome(step, |reply| match (step, reply) {
            (Step::BeginUpdate | Step::BeginRotation, Reply::Begun(message)) => Some(Event::Begun { message }),
            (Step::BeginExport | Step::BeginImport, Reply::Transfer(described)) => {
                Some(Event::TransferBegun(described))
            }
            (Step::EndRotation, Reply::Done) => Some(Event::RotationEnded),
            (Step::EndRotation, Reply::Pending(pending)) => Some(Event::StillPending(pending)),
            _ => None,
        })
    }

    /// What data flow through is made when somebody is there to take or give them; whether it may be made is said now.
    async fn check_transfer(&self, described: &SecretString, called: &mut Called) {
        let no_transfer = |why: String| StepFailure::Guest(GuestFailure::Failed(why));
        let transfer = match Transfer::parse(described.reveal()) {
            Ok(transfer) => transfer,
            Err(error) => {
                called.answer = Err(no_transfer(format!("what it described is no transfer: {error}")));
                return;
            }
        };
        let offer = match loaded::active(&self.control, &self.record.spec.provider, Duration::ZERO).await {
            Ok(offer) => offer,
            Err(failure) => return called.answer = Err(failure),
        };
        let objects = match self.objects(called).await {
            Ok(objects) => objects,
            Err(error) => return called.answer = Err(StepFailure::Host(loaded::store_failed(&error))),
        };
        if let Err(refused) = transfer.permitted(&offer.docker, &objects) {
            called.answer = Err(no_transfer(refused.to_string()));
            if let Refused::Denied(denied) = refused {
                called.denied.push(denied);
            }
        }
    }

    /// What the addon is to have on an engine, as far as the call has not changed it.
    async fn objects(&self, called: &Called) -> Result<Objects, StoreError> {
        if let Some(objects) = &called.objects {
            return Ok(objects.all.clone());
        }
        let stored = self.control.store.objects(self.record.spec.id).await?;
        Ok(stored.into_iter().filter_map(|object| Some((object.name, object.wanted?))).collect())
    }

    /// Asks how the addon does, if the version that serves now can say.
    pub(super) async fn check_health(&self) -> Outcome {
        match loaded::active(&self.control, &self.record.spec.provider, Duration::ZERO).await {
            Ok(offer) if !offer.exports.contains(&Interface::Health) => return Event::HealthNotOffered.into(),
            Ok(_) => {}
            Err(failure) => return Event::Failed(Step::CheckHealth, failure).into(),
        }
        let called = self.call(Export::CheckHealth, Earlier::default()).await;
        called.into_outcome(Step::CheckHealth, |reply| match reply {
            Reply::Health(health) => Some(Event::HealthChecked(health)),
            _ => None,
        })
    }
}
