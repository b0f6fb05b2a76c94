//! What makes the reconciler look: engines' events, and now and then a look at everything, since events get lost.
//!
//! That look also finds what must not be there: objects with this installation's labels whose addon is over, and can't be had back.
//! What the store has never wanted is reported and left alone: a store that was restored from a backup knows nothing of what was
//! made since, and it may be all that is left of somebody's data. So is what an engine has of an addon of another one: it may
//! be the same, under another name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use larder_domain::docker::ObjectKind;
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::{EngineEvent, Found};
use larder_domain::ports::store::{ObjectOwner, Phase, StoredObject};
use larder_domain::{AddonId, EngineName, NetworkName};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::objects::{Unfinished, go_on};
use crate::Control;
use crate::containers::{NamedEngine, has_given_name, network_name};
use crate::transfers::{close_left, end_left};
use crate::whose::{Strays, names};

/// How often everything is looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked which engines there are, beneath what other nodes say.
const LOOK_FOR_ENGINES_EVERY: Duration = Duration::from_secs(5);
/// How long an engine has to remove a network before the host stops all the same.
const LEAVING_WAIT: Duration = Duration::from_secs(2);
/// What engines say of a container that is no more.
const REMOVED: &str = "destroy";
/// Addons that are read in one go.
const BATCH_ADDONS: usize = 1_000;

/// A watch of an engine that is under way.
struct Watched {
    engine: Arc<NamedEngine>,
    stop: watch::Sender<bool>,
}

/// Watches all engines until `shutdown` turns true, each by itself, so that one that does not answer keeps no other from being
/// watched. Which ones there are is looked at when another node says that it has changed them, and now and then.
pub async fn watch_engines(control: Control, mut shutdown: watch::Receiver<bool>) {
    let (mut changes, mut others) = (control.engines.changes(), control.store.watch_engines());
    let (mut tasks, mut watched): (JoinSet<()>, Vec<Watched>) = (JoinSet::new(), vec![]);
    loop {
        if let Err(error) = control.refresh_engines().await
            && !error.is_told_already()
        {
            tracing::warn!(%error, "which engines were added is not known; it is looked for again");
        }
        watch_these(&control, &mut tasks, &mut watched);
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => break,
            () = changes.changed() => {}
            goes_on = others.changed() => if !goes_on { break },
            Some(_) = tasks.join_next() => {}
            () = sleep(LOOK_FOR_ENGINES_EVERY) => {}
        }
    }
    for watched in &watched {
        watched.stop.send_replace(true);
    }
    while tasks.join_next().await.is_some() {}
}

/// Ends the watches of engines that are no more, and begins those that there are not yet.
fn watch_these(control: &Control, tasks: &mut JoinSet<()>, watched: &mut Vec<Watched>) {
    let engines = control.engines.all();
    watched.retain(|watched| {
        let stays = engines.iter().any(|engine| Arc::ptr_eq(engine, &watched.engine));
        if !stays {
            watched.stop.send_replace(true);
        }
        stays
    });
    for engine in engines {
        if !watched.iter().any(|watched| Arc::ptr_eq(&watched.engine, &engine)) {
            let (stop, stopped) = watch::channel(false);
            tasks.spawn(watch_engine(control.clone(), Arc::clone(&engine), stopped));
            watched.push(Watched { engine, stop });
        }
    }
}

async fn watch_engine(control: Control, engine: Arc<NamedEngine>, mut shutdown: watch::Receiver<bool>) {
    let mut was_reached = true;
    loop {
        let watched = tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => None,
            watched = follow(&control, &engine) => Some(watched),
        };
        let Some(watched) = watched else { return leave(&control, &engine).await };
        if let Err(error) = watched
            && std::mem::replace(&mut was_reached, false)
        {
            tracing::warn!(%error, engine = %engine.settings.name, "the engine is not watched; `larder doctor` says more");
        } else if !was_reached {
            was_reached = engine.engine.info().await.is_ok();
        }
        tokio::select! {
            biased;
            () = sleep(control.pauses.engine()) => {}
            _ = shutdown.wait_for(|stop| *stop) => return,
        }
    }
}

/// A network that nothing is in goes with the host, which may have been about to remove it. What stays is found at the next start.
async fn leave(control: &Control, engine: &NamedEngine) {
    let gone = timeout(LEAVING_WAIT, engine.give_up_network(&*control.store)).await;
    tracing::debug!(?gone, engine = %engine.settings.name, "the engine is watched no more");
}

/// Follows events until they end. The look at everything comes after the stream is open, so that nothing falls between.
async fn follow(control: &Control, engine: &NamedEngine) -> Result<(), Unfinished> {
    let opened = engine.engine.events(control.store.installation()).await;
    // Others may ask it again as soon as it answers here.
    engine.heard(opened.as_ref().err());
    let mut events = opened?;
    let mut next_sweep = Instant::now();
    // When to see whether the container that was removed last was the last one.
    let (mut maybe_empty, mut failures) = (None, 0);
    loop {
        // What happens seldom first, so that no stream of events keeps it waiting.
        tokio::select! {
            biased;
            () = sleep_until(maybe_empty.unwrap_or(next_sweep)), if maybe_empty.is_some() => {
                let again_ms = give_up_network(control, engine, &mut failures).await?;
                maybe_empty = again_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
            }
            () = sleep_until(next_sweep) => {
                if sweep(control, engine).await? {
                    maybe_empty = maybe_empty.or_else(|| Some(Instant::now()));
                }
                next_sweep = Instant::now() + SWEEP_EVERY;
            }
            event = events.next() => {
                let EngineEvent { addon, action } = event?;
                control.store.poke_objects(addon).await?;
                if action == REMOVED {
                    maybe_empty = Some(Instant::now() + control.pauses.empty_network);
                }
            }
        }
    }
}

/// Removes the installation's network if nothing needs it. In how many milliseconds to try again if the engine failed at that: it is
/// watched all the same. It is told once in a row.
async fn give_up_network(
    control: &Control,
    engine: &NamedEngine,
    failures: &mut u32,
) -> Result<Option<u64>, Unfinished> {
    match engine.give_up_network(&*control.store).await {
        Err(error) if error.is_its_own() => {
            *failures = failures.saturating_add(1);
            if *failures == 1 {
                let engine = &engine.settings.name;
                tracing::warn!(%error, %engine, "the installation's network can't be removed; it is tried again");
            }
            Ok(Some(control.pauses.failed.wait_ms(*failures)))
        }
        given_up => {
            *failures = 0;
            given_up.map(|()| None)
        }
    }
}

/// Compares all that the store wants with all that the engine has. Whether that is nothing.
async fn sweep(control: &Control, engine: &NamedEngine) -> Result<bool, Unfinished> {
    let found = engine.engine.objects(control.store.installation(), None).await?;
    let has_none = found.is_empty();
    let mut by_addon: BTreeMap<AddonId, Vec<Found>> = BTreeMap::new();
    for found in found {
        // What data flow through is none of the objects.
        if let Some(operation) = found.operation.filter(|_| has_given_name(&found)) {
            go_on(&found, end_left(control, engine, &found, operation).await)?;
            continue;
        }
        by_addon.entry(found.owner.addon).or_default().push(found);
    }
    if let Err(error) = close_left(control, engine).await {
        tracing::warn!(%error, engine = %engine.settings.name, "what transfers have left is not looked after");
    }
    let own = network_name(control.store.installation());
    let owners = owners(control, &engine.settings.name).await?;
    // There may be a network all the same: of a transfer, or of a host that was killed.
    let is_empty = has_none && owners.is_empty();
    for addon in owners {
        let there = by_addon.remove(&addon).unwrap_or_default();
        match compare(control, addon, there, &own).await {
            Ok(strays) if strays.is_empty() => {}
            Ok(strays) => drop(by_addon.insert(addon, strays)),
            Err(error) if error.is_of_a_row() => {
                tracing::warn!(%error, %addon, "an addon's objects can't be looked at, since it can't be read");
            }
            Err(error) => return Err(error.into()),
        }
    }
    for (addon, found) in by_addon {
        look_at_strays(control, engine, addon, found).await?;
    }
    Ok(is_empty)
}

/// Compares what one addon wants with what there is of it, and has its work done if that differs. What the store knows nothing of is
/// returned.
async fn compare(control: &Control, addon: AddonId, there: Vec<Found>, own: &str) -> Result<Vec<Found>, StoreError> {
    let (objects, networks) = (control.store.objects(addon).await?, control.store.networks(addon).await?);
    let has_row = |found: &Found| objects.iter().any(|object| object.name == found.owner.name);
    let is_known = |found: &Found| has_given_name(found) && has_row(found);
    let (there, strays): (Vec<_>, Vec<_>) = there.into_iter().partition(is_known);
    if !(is_settled(&objects, &there) && is_joined(&networks, &there, own)) {
        control.store.poke_objects(addon).await?;
    }
    Ok(strays)
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

/// Whether that is there which is wanted. A volume stays what it is through all revisions, and
/// a container of an addon that can be had back does not run.
fn is_settled(objects: &[StoredObject], found: &[Found]) -> bool {
    let is_there = |object: &StoredObject| {
        let is_it = |found: &Found| match found.kind {
            ObjectKind::Volume => found.owner.name == object.name,
            ObjectKind::Container => {
                let runs = object.phase != Phase::Stopped;
                found.owner.name == object.name && found.owner.revision == object.revision && found.running == runs
            }
        };
        object.wanted.is_some() && found.iter().any(is_it)
    };
    objects.iter().all(is_there)
}

/// Whether each container is in those networks, and in no other but the installation's own.
fn is_joined(networks: &[NetworkName], found: &[Found], own: &str) -> bool {
    let mut containers = found.iter().filter(|found| found.kind == ObjectKind::Container);
    containers.all(|found| {
        let others = found.networks.iter().filter(|network| *network != own);
        others.map(String::as_str).eq(networks.iter().map(NetworkName::as_str))
    })
}

/// Objects that no work about their addon looks after: it is over, or on another engine, or has never wanted them.
async fn look_at_strays(
    control: &Control,
    engine: &NamedEngine,
    addon: AddonId,
    found: Vec<Found>,
) -> Result<(), Unfinished> {
    let full_names: Vec<String> = found.iter().map(|found| found.full_name.clone()).collect();
    let Strays { left, nobodys, elsewhere } = control.strays(engine, addon, found).await?;
    if let Some(other) = elsewhere {
        let here = &engine.settings.name;
        tracing::warn!(
            ?full_names,
            "objects on the engine `{here}` of an addon that is on `{other}`: is that its name now?"
        );
    }
    if !nobodys.is_empty() {
        let names = names(&nobodys);
        tracing::warn!(?names, "objects that the store never wanted; `larder doctor --prune` removes them");
    }
    for found in Strays::in_order(left) {
        tracing::info!(name = found.full_name, "removing what is left of an addon that is over");
        go_on(&found, engine.remove(&found).await.map_err(Unfinished::from))?;
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

    const OWN: &str = "larder-own";

    fn object(document: &str, revision: u64, phase: Phase) -> StoredObject {
        let wanted = Wanted::parse(SecretString::new(document)).unwrap();
        let name = wanted.spec.name().clone();
        StoredObject {
            name,
            wanted: Some(wanted),
            by: None,
            revision,
            phase,
            message: String::new(),
            can_come_back: false,
        }
    }

    fn found(object: &StoredObject, revision: u64, running: bool) -> Found {
        let kind = object.wanted.as_ref().unwrap().spec.kind();
        let (installation, addon) = (InstallationId::generate(), AddonId::generate());
        let owner = Owner { installation, addon, name: object.name.clone(), revision };
        Found {
            kind,
            full_name: object.name.to_string(),
            owner,
            running,
            networks: [OWN.to_owned()].into(),
            operation: None,
        }
    }

    #[test]
    fn a_container_is_in_its_apps_networks_and_in_no_other() {
        let server = object(SERVER, 1, Phase::Made);
        let within = |networks: &[&str]| {
            let networks = networks.iter().chain(&[OWN]).map(ToString::to_string).collect();
            Found { networks, ..found(&server, 1, true) }
        };
        let wanted: Vec<NetworkName> = vec!["one".parse().unwrap(), "two".parse().unwrap()];
        assert!(is_joined(&wanted, &[within(&["two", "one"])], OWN));
        assert!(!is_joined(&wanted, &[within(&["one"])], OWN), "it was disconnected");
        assert!(!is_joined(&wanted[..1], &[within(&["one", "two"])], OWN), "the app has left");
        assert!(is_joined(&[], &[within(&[])], OWN));
    }

    #[test]
    fn only_what_differs_is_looked_at_again() {
        let (data, server) = (object(VOLUME, 2, Phase::Made), object(SERVER, 2, Phase::Made));
        let settled = |objects: &[&StoredObject], there: &[Found]| {
            let objects: Vec<_> = objects.iter().copied().cloned().collect();
            is_settled(&objects, there)
        };
        let there = |revision, running| [found(&data, 1, false), found(&server, revision, running)];
        assert!(settled(&[&data, &server], &there(2, true)), "a volume keeps the revision that it was made with");
        assert!(!settled(&[&data, &server], &there(1, true)), "a container is made anew");
        assert!(!settled(&[&data, &server], &there(2, false)), "it has ended");
        assert!(!settled(&[&data, &server], &[found(&data, 1, false)]), "it is gone");
        let gone = StoredObject { wanted: None, ..object(VOLUME, 1, Phase::Made) };
        assert!(!settled(&[&gone], &[]), "its row is to go");
        let stopped = object(SERVER, 2, Phase::Stopped);
        assert!(settled(&[&stopped, &data], &there(2, false)), "its addon can be had back");
        assert!(!settled(&[&stopped, &data], &there(2, true)), "somebody has started it");
        let failed = object(SERVER, 2, Phase::Failed);
        assert!(!settled(&[&failed], &[]), "its addon may be in use by now");
    }
}
