//! What is done for an addon that is over: its provider removes what it made, and the host what is its own.

use larder_domain::failure::{StepFailure, bounded_text};
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::{Export, Reply};
use larder_domain::{Addon, Cleanup, Event, Step};

use super::{Drive, Earlier, failed};
use crate::worker::called::{Called, Outcome};
use crate::worker::loaded;
use crate::worker::objects::Removal;
use crate::worker::parent::Parent;

impl Drive {
    /// `deprovision`, and what follows when it is done. Nothing but the app's variables is touched as long as the engine has no place
    /// for the rest.
    pub(super) async fn deprovision(&self) -> Option<Outcome> {
        // First, since the app's variables are to go whatever the provider answers.
        let unset = self.unset_variables().await;
        let removal = match Removal::of(&self.control, &self.record).await {
            Ok(removal) => removal?,
            Err(error) => return Some(failed(Step::Deprovision, loaded::store_failed(&error))),
        };
        Some(match self.has_nothing_of_its_own().await {
            Ok(true) if unset.is_ok() => self.clean_up_alone(removal).await.into(),
            Ok(_) => self.clean_up(unset, removal).await,
            Err(error) => failed(Step::Deprovision, loaded::store_failed(&error)),
        })
    }

    async fn clean_up(&self, unset: Result<(), String>, removal: Removal) -> Outcome {
        let called = self.call(Export::Deprovision, Earlier::default()).await;
        let (done, given_up) = (matches!(called.answer, Ok(Reply::Done)), self.is_given_up(&called));
        let mut outcome = called.into_outcome(Step::Deprovision, |reply| match reply {
            Reply::Done => Some(Event::CleanedUp),
            Reply::Pending(pending) => Some(Event::CleanupPending(pending)),
            _ => None,
        });
        let mut left = unset;
        if done || given_up {
            // Whatever the provider wanted last: an addon that is gone has no objects.
            outcome.objects = None;
            left = left.and(self.remove(removal).await);
        }
        if done && let Err(reason) = left {
            outcome.event = Event::Failed(Step::Deprovision, StepFailure::Host(bounded_text(reason)));
        }
        outcome
    }

    /// What is left to do without the provider.
    async fn clean_up_alone(&self, removal: Removal) -> Event {
        match self.remove(removal).await {
            Ok(()) => Event::CleanedUp,
            Err(reason) => Event::Failed(Step::Deprovision, StepFailure::Host(bounded_text(reason))),
        }
    }

    async fn remove(&self, removal: Removal) -> Result<(), String> {
        let removed = removal.complete(&self.control, self.record.spec.id).await;
        removed.map_err(|error| format!("its containers and volumes: {error}"))
    }

    /// Whether its resource is another one's, or went with the server that it was a part of.
    async fn has_nothing_of_its_own(&self) -> Result<bool, StoreError> {
        Ok(self.is_shared() || matches!(Parent::of(&self.control, &self.record).await?, Some(Parent::Over(_))))
    }

    /// Whether the host cleans up by itself what is its own to clean, since the provider does not.
    fn is_given_up(&self, called: &Called) -> bool {
        let attempts = match &self.record.addon.cleanup {
            Cleanup::Failing { attempts, .. } => *attempts,
            _ => 0,
        };
        let is_last = attempts.saturating_add(1) >= Addon::CLEANUP_ATTEMPTS_MAX;
        match &called.answer {
            Err(StepFailure::ProviderGone(_)) => true,
            // That of the host is no attempt of the provider's.
            Err(StepFailure::Host(_)) | Ok(_) => false,
            Err(StepFailure::Guest(_) | StepFailure::Fault(_)) => is_last,
        }
    }
}
