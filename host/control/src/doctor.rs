//! What is wrong with an engine, and what on it is nobody's.

use larder_domain::docker::ObjectKind;
use larder_domain::ports::engine::{EngineError, EngineInfo, Found};

use crate::containers::NamedEngine;
use crate::worker::REMOVAL_STOP;
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
        let info = engine.engine.info().await;
        let unknown = match &info {
            Ok(_) => self.unknown_objects(engine).await.unwrap_or_default(),
            Err(_) => vec![],
        };
        Ok(Some(EngineReport { settings: engine.settings.clone(), info, unknown }))
    }

    /// Removes what carries this installation's labels and is of addons that its store has never seen; their full names.
    ///
    /// # Errors
    /// `engine_unavailable`.
    pub async fn prune_engine(&self) -> Result<Vec<String>, ControlError> {
        let none = || ControlError::refused(Code::EngineUnavailable, "this host has no Docker engine");
        let engine = self.engine.as_ref().ok_or_else(none)?;
        let mut unknown = self.unknown_objects(engine).await?;
        // Containers first, since they use volumes.
        unknown.sort_by_key(|found| found.kind == ObjectKind::Volume);
        let mut removed = vec![];
        for found in unknown {
            let done = match found.kind {
                ObjectKind::Container => engine.engine.remove_container(&found.full_name, REMOVAL_STOP).await,
                ObjectKind::Volume => engine.engine.remove_volume(&found.full_name).await,
            };
            done.map_err(|error| unavailable(&error))?;
            removed.push(found.full_name);
        }
        Ok(removed)
    }

    async fn unknown_objects(&self, engine: &NamedEngine) -> Result<Vec<Found>, ControlError> {
        let found =
            engine.engine.objects(self.store.installation(), None).await.map_err(|error| unavailable(&error))?;
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
