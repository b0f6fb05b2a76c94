//! What is done to an addon that is ready: the first and the last calls of operations, and the question how it does. Between them,
//! an operation goes through the same steps as provisioning.

use larder_domain::ports::runtime::{Export, Interface, Reply};
use larder_domain::{Event, Step};

use super::called::Outcome;
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
        let called = self.call(export, Earlier::default()).await;
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

    /// Asks how the addon does, if the version that serves now can say.
    pub(super) async fn check_health(&self) -> Outcome {
        match loaded::active(&self.control, &self.record.spec.provider).await {
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
