//! What is not to be there: removed when its addon wants it no more, and stopped for as long as its addon can be had back.

use std::collections::BTreeSet;
use std::time::Duration;

use larder_domain::docker::{ObjectKind, ObjectSpec};
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::{EngineError, Found};
use larder_domain::ports::store::{Phase, StoredObject};
use larder_domain::{AddonId, AddonRecord};
use tokio::sync::OwnedSemaphorePermit;

use super::{Settling, Unfinished, settle};
use crate::Control;
use crate::containers::full_name;
use crate::transfers::end_left;

/// What is said of a container that is not to run.
const STOPPED: &str = "stopped until the addon is had back";

/// What can't be removed now is tried again at the next look, and keeps nothing else waiting.
pub(in crate::worker) fn go_on(found: &Found, removed: Result<(), Unfinished>) -> Result<(), Unfinished> {
    match removed {
        Err(error) if error.is_its_own() => {
            tracing::warn!(%error, name = found.full_name, "an object can't be removed; it is tried again");
            Ok(())
        }
        other => other,
    }
}

/// Whether an addon that is over still has objects. If one of them can't be read, none is wanted any more, so that all of them can go:
/// its provider could not be told of it either.
async fn has_any(control: &Control, addon: AddonId) -> Result<bool, StoreError> {
    match control.store.objects(addon).await {
        Ok(objects) => Ok(!objects.is_empty()),
        Err(error) if error.is_of_a_row() => {
            tracing::error!(%error, %addon, "an addon that is over has an object that can't be read; they are removed");
            Ok(control.store.unwant_objects(addon).await? > 0)
        }
        Err(error) => Err(error),
    }
}

/// What it takes to remove all objects of an addon that is over. It is had before its provider is called: who would have to wait for
/// it afterwards has to call once more.
pub(in crate::worker) struct Removal {
    /// Among the work about their engine. None if there is nothing to be removed there, or nowhere to do so.
    place: Option<OwnedSemaphorePermit>,
}

impl Removal {
    /// None if others have all the places.
    pub(in crate::worker) async fn of(control: &Control, record: &AddonRecord) -> Result<Option<Self>, StoreError> {
        let engine = record.engine.as_ref().filter(|name| control.engines.get(name).is_ok());
        let (true, Some(engine)) = (has_any(control, record.spec.id).await?, engine) else {
            return Ok(Some(Self { place: None }));
        };
        let place = control.engines.place_for_long(engine, &record.spec.provider);
        Ok(place.map(|place| Self { place: Some(place) }))
    }

    /// Removes them, for good.
    pub(in crate::worker) async fn complete(self, control: &Control, addon: AddonId) -> Result<(), Unfinished> {
        // Most addons have none, and a look costs the store's one writer nothing.
        if !has_any(control, addon).await? {
            return Ok(());
        }
        control.store.unwant_objects(addon).await?;
        let settled = settle(control, addon, self.place).await;
        if settled.is_err() {
            // Whoever called may ask again tomorrow.
            control.store.poke_objects(addon).await?;
        }
        settled
    }
}

impl Settling<'_> {
    /// Removes containers of transfers that nobody looks after, and all when the addon ends: they use its volumes.
    pub(super) async fn remove_streams(&self, streams: &[Found]) -> Result<(), Unfinished> {
        for found in streams {
            if !self.is_in_use() {
                let removed = self.engine.engine.remove_container(&found.full_name, Duration::ZERO).await;
                go_on(found, removed.map_err(Unfinished::from))?;
            }
            if let Some(operation) = found.operation {
                go_on(found, end_left(self.control, self.engine, found, operation).await)?;
            }
        }
        Ok(())
    }

    /// Removes what is not to be there, or is to be made anew: containers first, since they use volumes. What can't be removed keeps
    /// nothing else waiting; why the first of it stays.
    pub(super) async fn remove(&self) -> Result<Option<EngineError>, Unfinished> {
        let (mut first, mut stay) = (None, BTreeSet::new());
        for kind in [ObjectKind::Container, ObjectKind::Volume] {
            for found in self.found.iter().filter(|found| found.kind == kind) {
                match self.remove_if_it_must_go(found).await {
                    Ok(()) => {}
                    Err(Unfinished::Engine(error)) if !matches!(error, EngineError::Unreachable(_)) => {
                        stay.insert(&found.owner.name);
                        first = first.or(Some(error));
                    }
                    Err(other) => return Err(other),
                }
            }
        }
        let is_gone = |object: &&StoredObject| object.wanted.is_none() && !object.can_come_back;
        for gone in self.objects.iter().filter(is_gone).filter(|object| !stay.contains(&object.name)) {
            self.control.restarts.forget(self.addon, &gone.name);
            self.control.store.forget_object(self.addon, &gone.name, gone.revision).await?;
        }
        Ok(first)
    }

    async fn remove_if_it_must_go(&self, found: &Found) -> Result<(), Unfinished> {
        match (found.kind, self.wanted(&found.owner.name)) {
            (ObjectKind::Container, Some((object, ObjectSpec::Container(spec)))) => {
                if object.revision != found.owner.revision {
                    let stop = Duration::from_secs(spec.stop_s.into());
                    self.engine.engine.remove_container(&found.full_name, stop).await?;
                }
                Ok(())
            }
            (ObjectKind::Volume, Some((_, ObjectSpec::Volume(_)))) => Ok(()),
            _ => self.remove_unwanted(found).await,
        }
    }

    /// Removes what the store says is wanted no more; of an addon that is over, all that there is. A volume stays as long as it can
    /// come back: there is no other with what it holds.
    async fn remove_unwanted(&self, found: &Found) -> Result<(), Unfinished> {
        let is_over = self.record.addon.state.is_terminal() && !self.is_kept();
        let row = self.objects.iter().find(|object| object.name == found.owner.name);
        let is_unwanted = row.is_some_and(|row| found.kind == ObjectKind::Container || !row.can_come_back);
        if is_over || is_unwanted {
            self.engine.remove(found).await?;
        }
        Ok(())
    }

    /// Has no container run, of an addon that can be had back: nobody has its address, and what they keep stays. What is
    /// missing is made when somebody wants the addon back.
    pub(super) async fn stop(&self) -> Result<(), Unfinished> {
        for (object, spec) in self.containers() {
            let is_news = match object.phase {
                Phase::Made => true,
                Phase::Waiting => self.is_found(object),
                // Somebody wanted the addon back, and an engine said why it could not be.
                Phase::Stopped => object.message != STOPPED,
                Phase::Failed => false,
            };
            if is_news {
                // Noted first, so that whoever sees it stopped knows why.
                self.note(object, Phase::Stopped, STOPPED.to_owned()).await?;
            }
            let is_running = |found: &Found| found.owner.name == object.name && found.running;
            if self.found.iter().any(is_running) {
                let name = full_name(self.addon, &object.name);
                self.engine.engine.stop_container(&name, Duration::from_secs(spec.stop_s.into())).await?;
            }
            if self.is_found(object) {
                // No app is there for it, and an app's network may go any time.
                self.join(object, &full_name(self.addon, &object.name)).await?;
            }
        }
        Ok(())
    }
}
