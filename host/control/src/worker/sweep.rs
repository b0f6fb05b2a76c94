//! What makes the reconciler look: engines' events, and now and then a look at everything, since events get lost.
//!
//! That look also finds what must not be there: objects with this installation's labels whose addon is over. Objects of addons
//! that the store has never seen are reported and left alone: a store that was restored from a backup knows nothing of what was
//! made since, and it may be all that is left of somebody's data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use larder_domain::docker::ObjectKind;
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::{EngineError, Found};
use larder_domain::ports::store::{ObjectOwner, Phase, StoredObject};
use larder_domain::{AddonId, EngineName};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::objects::Unfinished;
use crate::Control;
use crate::containers::NamedEngine;
use crate::transfers::end_left;

/// How often everything is looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long an engine that failed is left alone.
const ENGINE_PAUSE: Duration = Duration::from_secs(2);
/// Addons that are read in one go.
const BATCH_ADDONS: usize = 1_000;

/// Watches all engines until `shutdown` turns true, each by itself, so that one that does not answer keeps no other from being
/// watched.
pub async fn watch_engines(control: Control, shutdown: watch::Receiver<bool>) {
    let watch = |engine: &Arc<NamedEngine>| watch_engine(control.clone(), Arc::clone(engine), shutdown.clone());
    let mut watches: JoinSet<()> = control.engines.iter().map(watch).collect();
    while watches.join_next().await.is_some() {}
}

async fn watch_engine(control: Control, engine: Arc<NamedEngine>, mut shutdown: watch::Receiver<bool>) {
    let mut was_reached = true;
    loop {
        let watched = tokio::select! {
            watched = follow(&control, &engine) => watched,
            _ = shutdown.wait_for(|stop| *stop) => return,
        };
        if let Err(error) = watched
            && std::mem::replace(&mut was_reached, false)
        {
            tracing::warn!(%error, engine = %engine.settings.name, "the engine is not watched; `larder doctor` says more");
        } else if !was_reached {
            was_reached = engine.engine.info().await.is_ok();
        }
        tokio::select! {
            () = sleep(ENGINE_PAUSE) => {}
            _ = shutdown.wait_for(|stop| *stop) => return,
        }
    }
}

/// Follows events until they end. The look at everything comes after the stream is open, so that nothing falls between.
async fn follow(control: &Control, engine: &NamedEngine) -> Result<(), Unfinished> {
    let opened = engine.engine.events(control.store.installation()).await;
    // Others may ask it again as soon as it answers here.
    engine.heard(opened.as_ref().err());
    let mut events = opened?;
    let mut next_sweep = Instant::now();
    loop {
        tokio::select! {
            event = events.next() => control.store.poke_objects(event?.addon).await?,
            () = sleep_until(next_sweep) => {
                sweep(control, engine).await?;
                next_sweep = Instant::now() + SWEEP_EVERY;
            }
        }
    }
}

/// Compares all that the store wants with all that the engine has.
async fn sweep(control: &Control, engine: &NamedEngine) -> Result<(), Unfinished> {
    let found = engine.engine.objects(control.store.installation(), None).await?;
    let mut by_addon: BTreeMap<AddonId, Vec<&Found>> = BTreeMap::new();
    for found in &found {
        // What data flow through is none of the objects.
        if let Some(operation) = found.operation {
            end_left(control, engine, found, operation).await?;
            continue;
        }
        by_addon.entry(found.owner.addon).or_default().push(found);
    }
    for addon in owners(control, &engine.settings.name).await? {
        let there = by_addon.remove(&addon).unwrap_or_default();
        if !is_settled(&control.store.objects(addon).await?, &there) {
            control.store.poke_objects(addon).await?;
        }
    }
    for (addon, left) in by_addon {
        remove_left(control, engine, addon, &left).await?;
    }
    Ok(())
}

/// The addons with objects that are on this engine, or on none yet.
async fn owners(control: &Control, engine: &EngineName) -> Result<BTreeSet<AddonId>, StoreError> {
    let (mut owners, mut after) = (BTreeSet::new(), None);
    loop {
        let batch = control.store.object_owners(after, BATCH_ADDONS).await?;
        after = batch.last().map(|owner| owner.addon);
        let is_here = |owner: &&ObjectOwner| owner.engine.as_ref().is_none_or(|name| name == engine);
        owners.extend(batch.iter().filter(is_here).map(|owner| owner.addon));
        if batch.len() < BATCH_ADDONS {
            return Ok(owners);
        }
    }
}

/// Whether just that is there which is wanted, as far as it can be had. A volume stays what it is through all revisions, and
/// a container of an addon that can be had back does not run.
fn is_settled(objects: &[StoredObject], found: &[&Found]) -> bool {
    let is_there = |object: &StoredObject| {
        let is_it = |found: &&Found| match found.kind {
            ObjectKind::Volume => found.owner.name == object.name,
            ObjectKind::Container => {
                let runs = object.phase != Phase::Stopped;
                found.owner.name == object.name && found.owner.revision == object.revision && found.running == runs
            }
        };
        object.wanted.is_some() && (object.phase == Phase::Failed || found.iter().any(is_it))
    };
    let is_wanted = |found: &&Found| objects.iter().any(|object| object.name == found.owner.name);
    objects.iter().all(is_there) && found.iter().all(is_wanted)
}

/// Objects of which the store wants none: of an addon that is over, or of one that it never had.
async fn remove_left(
    control: &Control,
    engine: &NamedEngine,
    addon: AddonId,
    left: &[&Found],
) -> Result<(), Unfinished> {
    let names: Vec<&str> = left.iter().map(|found| found.full_name.as_str()).collect();
    match control.store.addon(addon).await? {
        None => {
            tracing::warn!(?names, "objects of an addon that the store never had; `larder doctor --prune` removes them")
        }
        // It may have begun to want them since the store was asked.
        Some(record) if !record.addon.state.is_terminal() => {}
        Some(_) => {
            tracing::info!(?names, "removing what is left of an addon that is over");
            for found in left {
                match engine.remove(found).await {
                    // In use by a container that is removed first the next time.
                    Ok(()) | Err(EngineError::Conflict(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use larder_domain::docker::Wanted;
    use larder_domain::ports::engine::Owner;
    use larder_domain::{InstallationId, SecretString};

    use super::*;

    const VOLUME: &str = r#"{"kind":"volume","name":"data"}"#;
    const SERVER: &str = r#"{"kind":"container","name":"server","image":"redis:7","memory_bytes":67108864}"#;

    fn object(document: &str, revision: u64, phase: Phase) -> StoredObject {
        let wanted = Wanted::parse(SecretString::new(document)).unwrap();
        let name = wanted.spec.name().clone();
        StoredObject { name, wanted: Some(wanted), by: None, revision, phase, message: String::new() }
    }

    fn found(object: &StoredObject, revision: u64, running: bool) -> Found {
        let kind = object.wanted.as_ref().unwrap().spec.kind();
        let (installation, addon) = (InstallationId::generate(), AddonId::generate());
        let owner = Owner { installation, addon, name: object.name.clone(), revision };
        Found { kind, full_name: object.name.to_string(), owner, running, operation: None }
    }

    #[test]
    fn only_what_differs_is_looked_at_again() {
        let (data, server) = (object(VOLUME, 2, Phase::Made), object(SERVER, 2, Phase::Made));
        let settled = |objects: &[&StoredObject], there: &[Found]| {
            let objects: Vec<_> = objects.iter().copied().cloned().collect();
            is_settled(&objects, &there.iter().collect::<Vec<_>>())
        };
        let there = |revision, running| [found(&data, 1, false), found(&server, revision, running)];
        assert!(settled(&[&data, &server], &there(2, true)), "a volume keeps the revision that it was made with");
        assert!(!settled(&[&data, &server], &there(1, true)), "a container is made anew");
        assert!(!settled(&[&data, &server], &there(2, false)), "it has ended");
        assert!(!settled(&[&data, &server], &[found(&data, 1, false)]), "it is gone");
        assert!(!settled(&[&data], &there(2, true)), "nobody wants the container");
        let gone = StoredObject { wanted: None, ..object(VOLUME, 1, Phase::Made) };
        assert!(!settled(&[&gone], &[]), "its row is to go");
        let stopped = object(SERVER, 2, Phase::Stopped);
        assert!(settled(&[&stopped, &data], &there(2, false)), "its addon can be had back");
        assert!(!settled(&[&stopped, &data], &there(2, true)), "somebody has started it");
        let failed = object(SERVER, 2, Phase::Failed);
        assert!(settled(&[&failed], &[]), "what can't be made is not tried for ever");
    }
}
