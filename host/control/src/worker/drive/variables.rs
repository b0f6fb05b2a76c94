//! An app's variables, handed to its sink and taken away from it.

use std::time::Duration;

use larder_domain::failure::{StepFailure, bounded_text};
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{Phase, StoredObject};
use larder_domain::{Event, Step};
use tokio::time::timeout;

use super::Drive;
use crate::worker::loaded;

/// How long a sink may take to say that it has an app's variables, or has them no more.
const SINK_WAIT: Duration = Duration::from_secs(10);
const SINK_SILENT: &str = "the app's sink did not answer in time";

impl Drive {
    pub(super) async fn set_variables(&self) -> Event {
        let failed = |reason: String| Event::Failed(Step::SetVariables, StepFailure::Host(reason));
        match self.sleeping().await {
            Ok(None) => {}
            Ok(Some(message)) => return Event::AwaitingContainers { message },
            Err(error) => return failed(loaded::store_failed(&error)),
        }
        let Some(app) = &self.record.spec.app else {
            return Event::VariablesSet;
        };
        let config = match &self.configured {
            Some(config) => config.clone(),
            None => match self.control.store.addon_config(self.record.spec.id).await {
                Ok(Some(config)) => config,
                // Nothing may tell an app that it has no variables but a provider.
                Ok(None) => return failed("the host's store has lost the addon's variables".into()),
                Err(error) => return failed(loaded::store_failed(&error)),
            },
        };
        match timeout(SINK_WAIT, self.control.sink.set(app, self.record.spec.id, &config.variables)).await {
            Ok(Ok(())) => Event::VariablesSet,
            Ok(Err(error)) => failed(bounded_text(error.0)),
            Err(_) => failed(SINK_SILENT.into()),
        }
    }

    /// Whether there is nothing to be done when variables are to be set.
    pub(super) fn tells_nobody(&self) -> bool {
        let is_awake = self.record.addon.grace.is_none();
        is_awake && (self.record.spec.app.is_none() || !self.control.sink.is_outside())
    }

    /// What the containers of an addon that is had back wait for, until they run again: nobody is told an address at which
    /// nothing is.
    pub(super) async fn sleeping(&self) -> Result<Option<String>, StoreError> {
        if self.record.addon.grace.is_none() {
            return Ok(None);
        }
        let objects = self.control.store.objects(self.record.spec.id).await?;
        let is_asleep = |object: &&StoredObject| matches!(object.phase, Phase::Waiting | Phase::Stopped);
        let waits = |object: &StoredObject| {
            bounded_text(format!("its containers are being started; {}: {}", object.name, object.message))
        };
        Ok(objects.iter().find(is_asleep).map(waits))
    }

    /// The app's variables go at once, also of an addon that can be had back.
    pub(super) async fn take_variables(&self) -> Event {
        match self.unset_variables().await {
            Ok(()) => Event::VariablesUnset,
            Err(reason) => Event::Failed(Step::UnsetVariables, StepFailure::Host(reason)),
        }
    }

    pub(super) async fn unset_variables(&self) -> Result<(), String> {
        let Some(app) = &self.record.spec.app else {
            return Ok(());
        };
        match timeout(SINK_WAIT, self.control.sink.unset(app, self.record.spec.id)).await {
            Ok(unset) => unset.map_err(|error| bounded_text(error.0)),
            Err(_) => Err(SINK_SILENT.into()),
        }
    }
}
