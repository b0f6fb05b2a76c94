//! What is wrong with an engine, and what on it is nobody's.

use larder_domain::docker::ObjectKind;
use larder_domain::ports::engine::{EngineError, EngineInfo, Found};

use crate::containers::NamedEngine;
use crate::{Code, Control, ControlError, EngineSettings};

/// How an engine is doing.
#[derive(Debug, Clone)]
pub struct EngineReport {
    /// How it is used.
    pub settings: EngineSettings,
    /// What it says of itself, or why it does not.
    pub info: Result<EngineInfo, EngineError>,
    /// Objects with this installation's labels, of addons that its store has never seen.
    pub unknown: Vec<Found>,
}

impl Control {
    /// How the engine is doing; none if the host has none.
    ///
    /// # Errors
    /// The store failed.
    pub async fn engine_report(&self) -> Result<Option<EngineReport>, ControlError> {
        let Some(engine) = &self.engine else { return Ok(None) };
        let settings = engine.settings.clone();
        let looked = async { Ok((engine.engine.info().await?, self.found_on(engine).await?)) };
        Ok(Some(match looked.await {
            Ok((info, found)) => EngineReport { settings, info: Ok(info), unknown: self.unknown_of(found).await? },
            Err(error) => EngineReport { settings, info: Err(error), unknown: vec![] },
        }))
    }

    /// Removes what carries this installation's labels and is of addons that its store has never seen; their full names.
    ///
    /// # Errors
    /// `engine_unavailable`.
    pub async fn prune_engine(&self) -> Result<Vec<String>, ControlError> {
        let none = || ControlError::refused(Code::EngineUnavailable, "this host has no Docker engine");
        let engine = self.engine.as_ref().ok_or_else(none)?;
        let found = self.found_on(engine).await.map_err(|error| unavailable(&error))?;
        let mut unknown = self.unknown_of(found).await?;
        // Containers first, since they use volumes.
        unknown.sort_by_key(|found| found.kind == ObjectKind::Volume);
        let mut removed = vec![];
        for found in unknown {
            engine.remove(&found).await.map_err(|error| unavailable(&error))?;
            removed.push(found.full_name);
        }
        Ok(removed)
    }

    async fn found_on(&self, engine: &NamedEngine) -> Result<Vec<Found>, EngineError> {
        engine.engine.objects(self.store.installation(), None).await
    }

    /// Those of addons that the store has never seen.
    async fn unknown_of(&self, found: Vec<Found>) -> Result<Vec<Found>, ControlError> {
        let mut unknown = vec![];
        for object in found {
            if self.store.addon(object.owner.addon).await?.is_none() {
                unknown.push(object);
            }
        }
        Ok(unknown)
    }
}

fn unavailable(error: &EngineError) -> ControlError {
    ControlError::refused(Code::EngineUnavailable, error.to_string())
}
