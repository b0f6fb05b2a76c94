//! The reconciler: what addons are to have on an engine, made true, one addon at a time under a lease.
//!
//! It takes no input but the store and the engine, looks at both, and does what is missing. So it may be broken off anywhere and begun
//! again, and whatever changes on either side (a person stops a container, an engine comes back) only has to make it look.
//!
//! *Whose is it?* Objects carry installation, addon, name and revision as labels, and are found by them. A container of another
//! revision is made anew; a volume stays what it is. What the store has never wanted is not touched here.

use std::collections::BTreeMap;
use std::time::Duration;

use larder_domain::docker::{ContainerSpec, Image, LocalName, ObjectKind, ObjectSpec};
use larder_domain::history::Entry;
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::{ContainerState, EngineError, Found, NewContainer, Owner};
use larder_domain::ports::store::{Phase, Publish, StoredObject};
use larder_domain::work::{Lease, Subject};
use larder_domain::{AddonId, AddonState};
use serde_json::json;

use super::Stop;
use crate::containers::{NamedEngine, full_name, network_name};
use crate::{Control, restarts};

/// How long a pull may take.
const PULL_WAIT: Duration = Duration::from_secs(15 * 60);
/// How long a container of an addon that goes has to stop by itself.
pub(crate) const REMOVAL_STOP: Duration = Duration::from_secs(10);
/// When an engine that failed is tried again, in milliseconds.
const AGAIN_MS: u64 = 2_000;
/// How often ports are tried anew in one go that somebody else turned out to have.
const PORT_ATTEMPTS_MAX: u32 = 8;
/// What is kept of a container's last words.
const LAST_WORDS_BYTES_MAX: usize = 2 * 1024;

/// Why an addon's objects are not yet what they are to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfinished {
    /// There is no engine.
    #[error("this host has no Docker engine")]
    NoEngine,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A container that ended is started again after a pause.
    #[error("a container is started again in {0} ms")]
    Pause(u64),
}

/// Makes the objects that the lease is about what they are to be.
pub(super) async fn reconcile(control: Control, lease: Lease, stop: Stop) {
    if let Subject::Objects(addon) = lease.subject {
        let done = tokio::select! {
            done = settle(&control, addon) => done,
            () = stop.notified() => Ok(()),
        };
        let again_ms = match done {
            Ok(()) => None,
            Err(Unfinished::Pause(ms)) => Some(ms),
            Err(error) => {
                tracing::warn!(%error, %addon, "an addon's objects are not what they are to be; trying again");
                Some(AGAIN_MS)
            }
        };
        let again = again_ms.map(|ms| control.store.now().plus_ms(ms));
        if let Err(error) = control.store.settle_objects(&lease, again).await {
            tracing::warn!(%error, %addon, "a lease could not be given back; it runs out by itself");
        }
    }
    control.running.end(&lease);
}

/// Removes all objects of an addon, for good.
pub(crate) async fn remove_all(control: &Control, addon: AddonId) -> Result<(), Unfinished> {
    if control.store.unwant_objects(addon).await? == 0 {
        return Ok(());
    }
    let settled = settle(control, addon).await;
    if settled.is_err() {
        // Whoever called may ask again tomorrow.
        control.store.poke_objects(addon).await?;
    }
    settled
}

async fn settle(control: &Control, addon: AddonId) -> Result<(), Unfinished> {
    let objects = control.store.objects(addon).await?;
    if objects.is_empty() {
        return Ok(());
    }
    let engine = control.engine.as_deref().ok_or(Unfinished::NoEngine)?;
    let found = engine.engine.objects(control.store.installation(), Some(addon)).await?;
    let it = Settling { control, engine, addon, objects, found };
    it.remove().await?;
    it.make().await
}

/// One addon's objects, as the store and the engine have them.
struct Settling<'a> {
    control: &'a Control,
    engine: &'a NamedEngine,
    addon: AddonId,
    objects: Vec<StoredObject>,
    found: Vec<Found>,
}

/// What containers need beside volumes.
struct Beside {
    network: String,
    /// Those that the engine has.
    images: Vec<Image>,
}

impl Settling<'_> {
    /// Removes what is not to be there, or is to be made anew: containers first, since they use volumes.
    async fn remove(&self) -> Result<(), Unfinished> {
        let engine = &self.engine.engine;
        for found in self.found.iter().filter(|found| found.kind == ObjectKind::Container) {
            match self.wanted(&found.owner.name) {
                Some((object, ObjectSpec::Container(spec))) if object.revision != found.owner.revision => {
                    let stop = Duration::from_secs(spec.stop_s.into());
                    engine.remove_container(&found.full_name, stop).await?;
                }
                Some((_, ObjectSpec::Container(_))) => {}
                _ => engine.remove_container(&found.full_name, REMOVAL_STOP).await?,
            }
        }
        for found in self.found.iter().filter(|found| found.kind == ObjectKind::Volume) {
            if !matches!(self.wanted(&found.owner.name), Some((_, ObjectSpec::Volume(_)))) {
                engine.remove_volume(&found.full_name).await?;
            }
        }
        for gone in self.objects.iter().filter(|object| object.wanted.is_none()) {
            self.control.restarts.forget(self.addon, &gone.name);
            self.control.store.forget_object(self.addon, &gone.name, gone.revision).await?;
        }
        Ok(())
    }

    /// Makes what is missing: volumes first, and meanwhile what containers need beside them.
    async fn make(&self) -> Result<(), Unfinished> {
        let (volumes, network, images) = tokio::join!(self.volumes(), self.network(), self.images());
        volumes?;
        let beside = Beside { network: network?, images: images? };
        let mut pause = None;
        for (object, spec) in self.containers().filter(|(object, _)| object.phase != Phase::Failed) {
            match self.container(object, spec, &beside).await {
                Err(Unfinished::Pause(ms)) => pause = Some(pause.map_or(ms, |least: u64| least.min(ms))),
                other => other?,
            }
        }
        pause.map_or(Ok(()), |ms| Err(Unfinished::Pause(ms)))
    }

    async fn volumes(&self) -> Result<(), Unfinished> {
        let is_volume = |object: &&StoredObject| {
            matches!(object.wanted.as_ref().map(|wanted| &wanted.spec), Some(ObjectSpec::Volume(_)))
        };
        for object in self.objects.iter().filter(is_volume) {
            self.volume(object).await?;
        }
        Ok(())
    }

    fn containers(&self) -> impl Iterator<Item = (&StoredObject, &ContainerSpec)> {
        self.objects.iter().filter_map(|object| match &object.wanted.as_ref()?.spec {
            ObjectSpec::Container(spec) => Some((object, &**spec)),
            ObjectSpec::Volume(_) => None,
        })
    }

    /// Containers that are to be made.
    fn missing(&self) -> impl Iterator<Item = (&StoredObject, &ContainerSpec)> {
        self.containers().filter(|(object, _)| object.phase != Phase::Failed && !self.is_found(object))
    }

    fn is_found(&self, object: &StoredObject) -> bool {
        let is_it = |found: &Found| found.owner.name == object.name && found.owner.revision == object.revision;
        self.found.iter().any(|found| found.kind == ObjectKind::Container && is_it(found))
    }

    async fn volume(&self, object: &StoredObject) -> Result<(), Unfinished> {
        if self.found.iter().any(|found| found.owner.name == object.name && found.kind == ObjectKind::Volume) {
            return self.made(object, None).await;
        }
        let lost = object.phase == Phase::Made;
        self.engine.engine.create_volume(&full_name(self.addon, &object.name), &self.owner(object)).await?;
        let entry =
            || Entry::new("volume_lost", format!("the volume {} was gone; it is there again, empty", object.name));
        self.made(object, lost.then(entry)).await?;
        // Volumes may be all that it waits for.
        Ok(self.control.store.poke_addon(self.addon).await?)
    }

    async fn container(&self, object: &StoredObject, spec: &ContainerSpec, beside: &Beside) -> Result<(), Unfinished> {
        let name = full_name(self.addon, &object.name);
        // Asked one by one: an engine tells that a container has ended before its own list has it.
        let state = if self.is_found(object) { self.engine.engine.state(&name).await? } else { None };
        match state {
            Some(ContainerState::Running) => self.made(object, None).await,
            Some(state) if object.phase == Phase::Made => self.ended(object, &name, &state).await,
            Some(_) => self.start(object, spec, &name, beside).await,
            None => {
                if object.phase == Phase::Made {
                    let message = format!("the container {} was gone; it is made anew", object.name);
                    self.record("container_lost", message).await?;
                }
                match self.create(object, spec, &name, beside).await? {
                    true => self.start(object, spec, &name, beside).await,
                    false => Ok(()),
                }
            }
        }
    }

    /// Makes a container, not started: its image first. False if there is none to be started; that was noted.
    async fn create(
        &self,
        object: &StoredObject,
        spec: &ContainerSpec,
        name: &str,
        beside: &Beside,
    ) -> Result<bool, Unfinished> {
        let engine = &self.engine.engine;
        if !beside.images.contains(&spec.image) && !self.pull(object, spec).await? {
            return Ok(false);
        }
        let Some(ports) = self.ports(object, spec, vec![]).await? else { return Ok(false) };
        let container = || self.new_container(object, spec, name, beside.network.clone(), &ports);
        let mut created = engine.create_container(container()).await;
        if let Err(EngineError::Conflict(_)) = created {
            // One of ours, of another revision, made by a run that was broken off.
            engine.remove_container(name, REMOVAL_STOP).await?;
            created = engine.create_container(container()).await;
        }
        match created {
            Ok(()) => {}
            Err(EngineError::NoImage(why) | EngineError::Refused(why)) => return self.failed(object, why).await,
            Err(error) => return Err(error.into()),
        }
        let is_wanted = self.note(object, Phase::Waiting, "to be started".to_owned()).await?;
        if !is_wanted {
            // Whoever removed the rest meanwhile did not see it.
            engine.remove_container(name, Duration::ZERO).await?;
        }
        Ok(is_wanted)
    }

    /// The network that all of the installation's containers are in, if one is to be made.
    async fn network(&self) -> Result<String, Unfinished> {
        let installation = self.control.store.installation();
        let name = network_name(installation);
        if self.missing().next().is_some() {
            let _turn = self.control.networking.lock().await;
            self.engine.engine.ensure_network(installation, &name).await?;
        }
        Ok(name)
    }

    /// The images that the engine has, of those that are needed now.
    async fn images(&self) -> Result<Vec<Image>, Unfinished> {
        let mut there = vec![];
        for (_, spec) in self.missing() {
            if !there.contains(&spec.image) && self.engine.engine.has_image(&spec.image).await? {
                there.push(spec.image.clone());
            }
        }
        Ok(there)
    }

    /// Has the engine get an image that it lacks. False if it can't be had; that was noted.
    async fn pull(&self, object: &StoredObject, spec: &ContainerSpec) -> Result<bool, Unfinished> {
        let engine = &self.engine.engine;
        self.note(object, Phase::Waiting, format!("pulling {}", spec.image)).await?;
        self.record("pulling", format!("the engine gets the image {}", spec.image)).await?;
        match engine.pull(&spec.image, PULL_WAIT).await {
            Ok(()) => Ok(true),
            Err(EngineError::NoImage(why)) => self.failed(object, format!("the image {}: {why}", spec.image)).await,
            Err(error) => {
                let message = format!("the image {} can't be had yet: {error}", spec.image);
                self.note(object, Phase::Waiting, message).await?;
                Err(error.into())
            }
        }
    }

    /// Starts a container. Where somebody else has one of its ports, it is made anew with another.
    async fn start(
        &self,
        object: &StoredObject,
        spec: &ContainerSpec,
        name: &str,
        beside: &Beside,
    ) -> Result<(), Unfinished> {
        let engine = &self.engine.engine;
        for _ in 0..PORT_ATTEMPTS_MAX {
            match engine.start(name).await {
                Ok(()) => {
                    self.made(object, None).await?;
                    // It may be asked at once whether it can be used.
                    return Ok(self.control.store.poke_addon(self.addon).await?);
                }
                Err(EngineError::AddressTaken(_)) if !self.is_in_use().await? => {
                    let taken =
                        self.control.store.published(self.addon).await?.remove(&object.name).unwrap_or_default();
                    engine.remove_container(name, REMOVAL_STOP).await?;
                    let others = self.ports(object, spec, taken.into_values().collect()).await?;
                    if others.is_none() || !self.create(object, spec, name, beside).await? {
                        return Ok(());
                    }
                }
                Err(EngineError::Refused(why)) => return self.failed(object, why).await.map(drop),
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::AddressTaken("every port that was tried".to_owned()).into())
    }

    /// A container that ran has ended. Once its addon is used it is started again, each time after a longer pause; before that, its
    /// provider is to decide.
    async fn ended(&self, object: &StoredObject, name: &str, state: &ContainerState) -> Result<(), Unfinished> {
        let engine = &self.engine.engine;
        if !self.is_in_use().await? {
            return Ok(self.control.store.poke_addon(self.addon).await?);
        }
        match self.control.restarts.due(self.addon, &object.name) {
            restarts::Due::Now => {}
            restarts::Due::In(ms) => return Err(Unfinished::Pause(ms)),
        }
        let how = match state {
            ContainerState::Exited { out_of_memory: true, .. } => "used up its memory".to_owned(),
            ContainerState::Exited { code, .. } => format!("ended with code {code}"),
            _ => "was stopped".to_owned(),
        };
        let message = format!("the container {} {how}; it is started again", object.name);
        self.record("container_ended", message).await?;
        engine.start(name).await?;
        Ok(self.control.store.poke_addon(self.addon).await?)
    }

    /// Whether somebody relies on the addon, and so on its addresses.
    async fn is_in_use(&self) -> Result<bool, Unfinished> {
        let record = self.control.store.addon(self.addon).await?;
        Ok(record.is_some_and(|record| matches!(record.addon.state, AddonState::Ready | AddonState::Provisioned)))
    }

    /// The ports of a container. None if there are none left for it; that was noted.
    async fn ports(
        &self,
        object: &StoredObject,
        spec: &ContainerSpec,
        taken: Vec<u16>,
    ) -> Result<Option<BTreeMap<u16, u16>>, Unfinished> {
        let settings = &self.engine.settings;
        let publish = Publish {
            engine: settings.name.clone(),
            addon: self.addon,
            object: object.name.clone(),
            ports: spec.ports.clone(),
            range: settings.ports.clone(),
            taken,
        };
        match self.control.store.publish(publish).await? {
            Ok(ports) => Ok(Some(ports)),
            Err(no_port) => self.failed(object, no_port.to_string()).await.map(|_| None),
        }
    }

    fn new_container<'a>(
        &self,
        object: &StoredObject,
        spec: &'a ContainerSpec,
        name: &str,
        network: String,
        ports: &BTreeMap<u16, u16>,
    ) -> NewContainer<'a> {
        let volumes = spec.mounts.iter().map(|mount| (mount.volume.clone(), full_name(self.addon, &mount.volume)));
        NewContainer {
            full_name: name.to_owned(),
            owner: self.owner(object),
            labels: BTreeMap::new(),
            spec,
            volumes: volumes.collect(),
            published: self.engine.addresses(ports),
            network,
        }
    }

    fn owner(&self, object: &StoredObject) -> Owner {
        let installation = self.control.store.installation();
        Owner { installation, addon: self.addon, name: object.name.clone(), revision: object.revision }
    }

    fn wanted(&self, name: &LocalName) -> Option<(&StoredObject, &ObjectSpec)> {
        let object = self.objects.iter().find(|object| object.name == *name)?;
        Some((object, &object.wanted.as_ref()?.spec))
    }

    async fn made(&self, object: &StoredObject, entry: Option<Entry>) -> Result<(), Unfinished> {
        if let Some(entry) = entry {
            self.control.store.record(self.addon, entry).await?;
        }
        if object.phase != Phase::Made {
            self.note(object, Phase::Made, "there".to_owned()).await?;
        }
        Ok(())
    }

    /// It can't be made, whatever is tried: always false.
    async fn failed(&self, object: &StoredObject, reason: String) -> Result<bool, Unfinished> {
        self.record("object_failed", format!("{}: {reason}", object.name)).await?;
        self.note(object, Phase::Failed, reason).await?;
        self.control.store.poke_addon(self.addon).await?;
        Ok(false)
    }

    /// False if the object is to be something else by now.
    async fn note(&self, object: &StoredObject, phase: Phase, message: String) -> Result<bool, Unfinished> {
        Ok(self.control.store.note_object(self.addon, &object.name, object.revision, phase, message).await?)
    }

    async fn record(&self, kind: &'static str, message: String) -> Result<(), Unfinished> {
        Ok(self.control.store.record(self.addon, Entry::with(kind, message, json!({}))).await?)
    }
}

/// The last words of a container, for whoever asks why it ended.
pub(crate) async fn last_words(engine: &NamedEngine, full_name: &str) -> String {
    engine.engine.last_words(full_name, 20, LAST_WORDS_BYTES_MAX).await.unwrap_or_default()
}
