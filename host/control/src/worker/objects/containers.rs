//! One container of an addon: made with all that it needs, started at addresses of its own, and started again when it has ended.

use std::time::Duration;

use larder_domain::docker::{ContainerSpec, Image, ObjectKind};
use larder_domain::operation::{Health, HealthState, Operation};
use larder_domain::ports::engine::{ContainerState, EngineError, Found, NewContainer};
use larder_domain::ports::store::{Phase, PortMap, Publish, StoredObject};
use larder_domain::redact::{END_MARGIN_BYTES, redact_end};
use larder_domain::{Addon, AddonState, SecretString};

use super::joined::Lack;
use super::{Settling, THERE, Unfinished};
use crate::containers::{NamedEngine, REMOVAL_STOP, full_name, network_name};
use crate::restarts::Due;

/// Say on a container by whom it was wanted, for people.
pub(crate) const PROVIDER: &str = "larder.provider";
const DIGEST: &str = "larder.digest";
/// How long a pull may take.
pub(crate) const PULL_WAIT: Duration = Duration::from_secs(15 * 60);
/// How often ports are tried anew in one go that somebody else turned out to have.
const PORT_ATTEMPTS_MAX: u32 = 8;
/// What is kept of a container's last words.
const LAST_WORDS_BYTES_MAX: usize = 2 * 1024;
const LAST_WORDS_LINES_MAX: usize = 20;

/// What containers need beside volumes.
pub(super) struct Beside {
    pub(super) network: String,
    /// Those that the engine has.
    pub(super) images: Vec<Image>,
}

impl Settling<'_> {
    /// Makes a container be what it is to be, as far as that can be done now. Whether it runs, and in how many milliseconds to look again
    /// for what it lacks all the same.
    pub(super) async fn container(
        &self,
        object: &StoredObject,
        spec: &ContainerSpec,
        beside: &Beside,
    ) -> Result<(bool, Option<u64>), Unfinished> {
        let name = full_name(self.addon, &object.name);
        // Asked one by one: an engine tells that a container has ended before its own list has it.
        let state = if self.is_found(object) { self.engine.engine.state(&name).await? } else { None };
        let lack = match state {
            Some(ContainerState::Running) => {
                let lack = self.join(object, &name).await?;
                if lack.is_none() {
                    self.made(object).await?;
                }
                lack
            }
            Some(state) if object.phase == Phase::Made => self.ended(object, &name, &state).await?,
            Some(_) => self.start(object, spec, &name, beside).await?,
            None => {
                if object.phase == Phase::Made {
                    let message = format!("the container {} was gone; it is made anew", object.name);
                    // Noted first: it is told once, however often making it fails.
                    self.note(object, Phase::Waiting, message.clone()).await?;
                    self.is_ill(&message).await?;
                    self.record("container_lost", message).await?;
                }
                if !self.create(object, spec, &name, beside).await? {
                    return Ok((false, None));
                }
                self.start(object, spec, &name, beside).await?
            }
        };
        let again_ms = match lack {
            Some(why) => Some(self.without_network(object, Phase::Made, &why).await?),
            None => None,
        };
        let runs = self.engine.engine.state(&name).await? == Some(ContainerState::Running);
        Ok((runs, again_ms))
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
        let has_image = beside.images.contains(&spec.image) || engine.has_image(&spec.image).await?;
        if !has_image && !self.pull(object, spec).await? {
            return Ok(false);
        }
        let had = self.control.store.published(self.addon).await?.remove(&object.name).unwrap_or_default();
        let Some(ports) = self.ports(object, spec, vec![]).await? else { return Ok(false) };
        if ports.len() < spec.ports.len() {
            // It is not wanted any more.
            return Ok(false);
        }
        let container = || self.new_container(object, spec, name, beside.network.clone(), &ports);
        let mut created = engine.create_container(container()).await;
        if let Err(EngineError::Conflict(_)) = created {
            // One of ours, of another revision, made by a run that was broken off.
            engine.remove_container(name, REMOVAL_STOP).await?;
            created = engine.create_container(container()).await;
        }
        match created {
            Ok(()) => {}
            Err(EngineError::NoImage(why) | EngineError::Refused(why)) => {
                let new = ports.into_keys().filter(|port| !had.contains_key(port)).collect();
                self.control.store.unpublish(self.addon, &object.name, new).await?;
                return self.failed(object, why).await;
            }
            Err(error) => return Err(error.into()),
        }
        let is_wanted = self.note(object, Phase::Waiting, "to be started".to_owned()).await?;
        if !is_wanted {
            // Whoever removed the rest meanwhile did not see it.
            engine.remove_container(name, Duration::ZERO).await?;
            return Ok(false);
        }
        Ok(true)
    }

    /// The network that all of the installation's containers are in, if one is to be made.
    pub(super) async fn network(&self) -> Result<String, Unfinished> {
        let installation = self.control.store.installation();
        let name = network_name(installation);
        let is_wanted = |found: &Found| self.wanted(&found.owner.name).is_some();
        let is_stopped = |found: &Found| found.kind == ObjectKind::Container && !found.running && is_wanted(found);
        if self.missing().next().is_some() || self.found.iter().any(is_stopped) {
            let _turn = self.engine.networking.lock().await;
            self.engine.engine.ensure_network(installation, &name).await?;
        }
        Ok(name)
    }

    /// The images that the engine has, of those that are needed now.
    pub(super) async fn images(&self) -> Result<Vec<Image>, Unfinished> {
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
        // What waits for its image names it, so this is not the first attempt.
        let was_told = object.message.contains(&spec.image.to_string());
        self.note(object, Phase::Waiting, format!("pulling {}", spec.image)).await?;
        if !was_told {
            self.record("pulling", format!("the engine gets the image {}", spec.image)).await?;
        }
        let pulled = tokio::select! {
            biased;
            pulled = engine.pull(&spec.image, PULL_WAIT) => pulled,
            // Its cleanup, perhaps: then nobody wants the image any more.
            () = self.turn.is_awaited() => return Err(Unfinished::Pause(0)),
        };
        match pulled {
            Ok(()) => {
                self.control.restarts.forget(self.addon, &object.name);
                Ok(true)
            }
            Err(EngineError::NoImage(why)) => self.failed(object, format!("the image {}: {why}", spec.image)).await,
            Err(error) => {
                let message = self.blotted(format!("the image {} can't be had yet: {error}", spec.image)).await?;
                tracing::warn!(message, addon = %self.addon, "a container waits for its image");
                self.note(object, Phase::Waiting, message).await?;
                match error {
                    EngineError::Unreachable(_) => Err(error.into()),
                    _ => Err(Unfinished::Pause(self.control.restarts.not_pulled(self.addon, &object.name))),
                }
            }
        }
    }

    /// Starts a container. Where somebody else has one of its ports, it is made anew with another, if nobody was told of it.
    async fn start(
        &self,
        object: &StoredObject,
        spec: &ContainerSpec,
        name: &str,
        beside: &Beside,
    ) -> Result<Lack, Unfinished> {
        let engine = &self.engine.engine;
        for _ in 0..PORT_ATTEMPTS_MAX {
            match self.launch(object, name).await? {
                Ok(lack) => {
                    self.started(object, &lack).await?;
                    return Ok(lack);
                }
                Err(EngineError::AddressTaken(_)) if self.may_move(object).await? => {
                    let taken =
                        self.control.store.published(self.addon).await?.remove(&object.name).unwrap_or_default();
                    engine.remove_container(name, REMOVAL_STOP).await?;
                    let others = self.ports(object, spec, taken.into_values().collect()).await?;
                    if others.is_none() || !self.create(object, spec, name, beside).await? {
                        return Ok(None);
                    }
                }
                Err(EngineError::AddressTaken(_)) => return Err(self.address_taken(object).await?),
                Err(EngineError::Refused(why)) => return self.failed(object, why).await.map(|_| None),
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::AddressTaken("every port that was tried".to_owned()).into())
    }

    /// Somebody else has the address of a container whose addon is in use: it stands in variables, so there is no other. It is waited for,
    /// and said what for: not in the engine's words, which are others each time.
    async fn address_taken(&self, object: &StoredObject) -> Result<Unfinished, Unfinished> {
        let name = &object.name;
        let ports = self.control.store.published(self.addon).await?.remove(name).unwrap_or_default();
        let addresses: Vec<String> = self.engine.addresses(&ports).values().map(ToString::to_string).collect();
        let addresses = addresses.join(", ");
        let message = format!(
            "the container {name} waits for its address, which is in the app's variables and somebody else's now: {addresses}"
        );
        self.note(object, Phase::Waiting, message.clone()).await?;
        self.is_ill(&message).await?;
        Ok(Unfinished::Pause(self.control.pauses.failed.first_ms))
    }

    /// A container that ran has ended. Once its addon is used it is started again, each time after a longer pause; before that, its
    /// provider is to decide. One that somebody has paused is theirs to let go on: an engine starts nothing that is paused.
    async fn ended(&self, object: &StoredObject, name: &str, state: &ContainerState) -> Result<Lack, Unfinished> {
        if !self.is_in_use() {
            return self.tell_addon().await.map(|()| None);
        }
        if *state == ContainerState::Paused {
            let message = format!("the container {} is paused; `docker unpause {name}` lets it go on", object.name);
            return self.is_ill(&message).await.map(|()| None);
        }
        let how = match state {
            ContainerState::Exited { out_of_memory: true, .. } => "used up its memory".to_owned(),
            ContainerState::Exited { code, .. } => format!("ended with code {code}"),
            _ => "was stopped".to_owned(),
        };
        let message = format!("the container {} {how}; it is started again", object.name);
        self.is_ill(&message).await?;
        match self.control.restarts.due(self.addon, &object.name) {
            Due::Now => {}
            Due::In(ms) => return Err(Unfinished::Pause(ms)),
        }
        // Noted first: it is told once, however often starting it fails.
        self.note(object, Phase::Waiting, message.clone()).await?;
        self.record("container_ended", message).await?;
        match self.launch(object, name).await? {
            Ok(lack) => self.started(object, &lack).await.map(|()| lack),
            Err(EngineError::AddressTaken(_)) => Err(self.address_taken(object).await?),
            Err(error) => Err(error.into()),
        }
    }

    async fn started(&self, object: &StoredObject, lack: &Lack) -> Result<(), Unfinished> {
        self.note(object, Phase::Made, lack.clone().unwrap_or_else(|| THERE.to_owned())).await?;
        // It may be asked at once whether it can be used.
        self.tell_addon().await
    }

    /// Whether somebody relies on the addon, and so on its addresses. While an operation may still be undone, it is its
    /// provider's to decide what becomes of a container, as when the addon was made.
    pub(super) fn is_in_use(&self) -> bool {
        let addon = &self.record.addon;
        match addon.state {
            AddonState::Provisioned => true,
            // It is being had back.
            AddonState::WaitingForProvision => addon.grace.is_some(),
            AddonState::Ready => !addon.running().is_some_and(Operation::can_be_undone),
            _ => false,
        }
    }

    /// Whether nobody can have been told yet where the container is published: its addon has never been ready, or did not have it when
    /// the operation began that is under way.
    async fn may_move(&self, object: &StoredObject) -> Result<bool, Unfinished> {
        let before = &self.record.addon;
        match before.state {
            AddonState::WaitingForProvision => Ok(before.grace.is_none()),
            AddonState::Ready if !object.can_come_back => {
                // Whether it can come back was read in between, so it is that operation's word.
                let now = self.control.store.addon(self.addon).await?;
                let undoable = |addon: &Addon| addon.running().filter(|it| it.can_be_undone()).map(|it| it.id);
                let (before, now) = (undoable(before), now.and_then(|record| undoable(&record.addon)));
                Ok(before.is_some() && before == now)
            }
            _ => Ok(false),
        }
    }

    /// Of a container that has just been lost, it is told once why it does not run again.
    pub(super) async fn does_not_run(&self, object: &StoredObject, error: &EngineError) -> Result<(), Unfinished> {
        if object.phase != Phase::Made || self.runs(object).await {
            return Ok(());
        }
        let why = self.blotted(format!("the container {} does not run: {error}", object.name)).await?;
        self.is_ill(&why).await
    }

    /// A container of an addon in use does not run, and nobody may have said so: it was lost before the addon was ready, which is no
    /// illness yet. Where its provider is asked how it does, that is the word that counts.
    pub(super) async fn is_missed(&self, object: &StoredObject) -> Result<(), Unfinished> {
        if !self.is_in_use() || self.was_ill() || self.record.addon.health_every_ms.is_some() {
            return Ok(());
        }
        let now = self.control.store.addon(self.addon).await?;
        if now.is_none_or(|now| now.addon.health.state == HealthState::Unhealthy) || self.runs(object).await {
            return Ok(());
        }
        let Some(now) = self.now(object).await?.filter(|now| now.wanted.is_some()) else { return Ok(()) };
        let why = if now.message == THERE { "it has ended" } else { &now.message };
        self.is_ill(&format!("the container {} does not run: {why}", now.name)).await
    }

    /// Whether a container runs by the engine's word of it, or of all of them, which comes later, if it has none.
    async fn runs(&self, object: &StoredObject) -> bool {
        let is_it = |found: &Found| found.owner.name == object.name && found.running;
        match self.engine.engine.state(&full_name(self.addon, &object.name)).await {
            Ok(state) => state == Some(ContainerState::Running),
            Err(_) => self.found.iter().any(is_it),
        }
    }

    /// What is known of a ready addon is at once that it does not work.
    async fn is_ill(&self, why: &str) -> Result<(), Unfinished> {
        if self.record.addon.state == AddonState::Ready {
            self.control.store.note_health(self.addon, Health::unhealthy(why.to_owned())).await?;
        }
        Ok(())
    }

    pub(super) fn was_ill(&self) -> bool {
        self.record.addon.health.state == HealthState::Unhealthy
    }

    /// All containers run again. Whether the addon works then is its provider's to say, if it can.
    pub(super) async fn is_well(&self) -> Result<(), Unfinished> {
        let addon = &self.record.addon;
        match addon.health_every_ms {
            _ if addon.state != AddonState::Ready => Ok(()),
            Some(_) => {
                // Its provider is not asked before the operation ends, which may be in days.
                if self.was_ill() && addon.running().is_some() {
                    let reason =
                        Some("its containers run; its provider is asked when the operation has ended".to_owned());
                    let health = Health { state: HealthState::Unknown, reason };
                    self.control.store.note_health(self.addon, health).await?;
                }
                // Somebody may have started a container again before this looked, so there is no knowing what has happened.
                self.tell_addon().await
            }
            None if self.was_ill() => Ok(self.control.store.note_health(self.addon, Health::HEALTHY).await?),
            None => Ok(()),
        }
    }

    /// The ports of a container. None if there are none left for it; that was noted.
    async fn ports(
        &self,
        object: &StoredObject,
        spec: &ContainerSpec,
        taken: Vec<u16>,
    ) -> Result<Option<PortMap>, Unfinished> {
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
        ports: &PortMap,
    ) -> NewContainer<'a> {
        let provider = (PROVIDER.to_owned(), self.record.spec.provider.to_string());
        let digest = object.by.map(|by| (DIGEST.to_owned(), by.to_string()));
        let volumes = spec.mounts.iter().map(|mount| (mount.volume.clone(), full_name(self.addon, &mount.volume)));
        NewContainer {
            full_name: name.to_owned(),
            owner: self.owner(object),
            labels: [provider].into_iter().chain(digest).collect(),
            spec,
            volumes: volumes.collect(),
            published: self.engine.addresses(ports),
            network,
            stream: None,
        }
    }
}

/// The last words of a container, for whoever asks why it ended: without secrets.
pub(in crate::worker) async fn last_words(engine: &NamedEngine, full_name: &str, secrets: &[SecretString]) -> String {
    let bytes_max = LAST_WORDS_BYTES_MAX + END_MARGIN_BYTES;
    // How it ended is known and is told without them: an engine that has no log of it any more is no reason not to.
    let said = engine.engine.last_words(full_name, LAST_WORDS_LINES_MAX, bytes_max).await.unwrap_or_default();
    redact_end(said, secrets, LAST_WORDS_BYTES_MAX)
}
