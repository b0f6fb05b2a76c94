//! The reconciler: what addons are to have on an engine, made true, one addon at a time under a lease.
//!
//! It takes no input but the store and the engine, looks at both, and does what is missing. So it may be broken off anywhere and begun
//! again, and whatever changes on either side (a person stops a container, an engine comes back) only has to make it look.
//!
//! *Whose is it?* Objects carry installation, addon, name and revision as labels, and are found by them. A container of another
//! revision is made anew; a volume stays what it is. What the store has never wanted is not touched here before the addon is over:
//! a store that was restored from a backup does not know what its addons had since.

mod containers;
mod joined;
mod removal;

use larder_domain::docker::{ContainerSpec, LocalName, ObjectKind, ObjectSpec};
use larder_domain::history::Entry;
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::{EngineError, Found, Owner};
use larder_domain::ports::store::{Phase, StoredObject};
use larder_domain::redact::redact;
use larder_domain::work::{Lease, Subject};
use larder_domain::{AddonId, AddonRecord, Cleanup, EngineName, NetworkName};

use tokio::sync::OwnedSemaphorePermit;

use super::{Stop, secrets};
use crate::Control;
use crate::containers::{NamedEngine, full_name, has_given_name};
use crate::engines::NoEngine;
use crate::turns::Turn;

use containers::Beside;
pub(super) use containers::last_words;
pub(crate) use containers::{PROVIDER, PULL_WAIT};
pub(super) use removal::Removal;
pub(super) use removal::go_on;

/// When an object is tried again that can't be made for an addon in use, in milliseconds.
const IN_USE_AGAIN_MS: u64 = 30_000;
/// When it is looked again whether there is an engine that there wasn't, in milliseconds.
const NO_ENGINE_AGAIN_MS: u64 = 30_000;
/// When an engine that did not answer is tried again, in milliseconds.
const UNREACHABLE_AGAIN_MS: u64 = 10_000;
/// What is said of an object that is what it is to be.
const THERE: &str = "there";
/// When work is tried again for which an engine had no place, in milliseconds.
const NO_PLACE_AGAIN_MS: u64 = 1_000;

/// Why an addon's objects are not yet what they are to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfinished {
    /// There is no engine.
    #[error(transparent)]
    NoEngine(#[from] NoEngine),
    /// Others have all places among its provider's work about its engine.
    #[error("the engine `{0}` has as much to do for the provider as it may have at once")]
    NoPlace(EngineName),
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

impl Unfinished {
    /// Whether it is about what was asked for alone, so that something else may still be done.
    pub(super) const fn is_its_own(&self) -> bool {
        match self {
            Self::Engine(error) => !matches!(error, EngineError::Unreachable(_)),
            Self::Store(error) => error.is_of_a_row(),
            Self::NoEngine(_) | Self::NoPlace(_) | Self::Pause(_) => false,
        }
    }
}

/// Makes the objects that the lease is about what they are to be.
pub(super) async fn reconcile(control: Control, lease: Lease, stop: Stop) {
    if let Subject::Objects(addon) = lease.subject {
        let done = tokio::select! {
            biased;
            // It lost its lease, or may have: whoever has it next goes on.
            () = stop.notified() => Err(Unfinished::Pause(0)),
            done = settle(&control, addon, None) => done,
        };
        let again_ms = match done {
            Ok(()) => None,
            Err(Unfinished::Pause(ms)) => Some(ms),
            Err(Unfinished::NoPlace(_)) => Some(NO_PLACE_AGAIN_MS),
            // Whoever watches the engine has said so, and makes its addons' work due when it answers.
            Err(Unfinished::Engine(EngineError::Unreachable(_))) => Some(UNREACHABLE_AGAIN_MS),
            Err(error) => Some(in_trouble(&control, addon, error).await),
        };
        if again_ms.is_none() {
            control.troubles.over(addon);
        }
        let again = again_ms.map(|ms| control.store.now().plus_ms(ms));
        if let Err(error) = control.store.settle_objects(&lease, again).await {
            tracing::warn!(%error, %addon, "a lease could not be given back; it runs out by itself");
        }
    }
    control.running.end(&lease);
}

/// Says what is in the way, if it is news. In how many milliseconds it is tried again.
async fn in_trouble(control: &Control, addon: AddonId, error: Unfinished) -> u64 {
    let why = secrets::blotted(control, addon, error.to_string()).await;
    let (tries, is_news) = control.troubles.met(addon, &why);
    if is_news {
        tracing::warn!(error = why, %addon, "an addon's objects are not what they are to be; trying again");
    }
    match error {
        Unfinished::NoEngine(_) => NO_ENGINE_AGAIN_MS,
        _ => control.pauses.failed.wait_ms(tries),
    }
}

/// Makes an addon's objects what they are to be, in a place among the work about their engine that somebody may have already.
async fn settle(control: &Control, addon: AddonId, place: Option<OwnedSemaphorePermit>) -> Result<(), Unfinished> {
    let turn = control.turns.take(addon).await;
    // As long as it has objects, the store does not forget it.
    let Some(record) = control.store.addon(addon).await? else { return Ok(()) };
    let objects = control.store.objects(addon).await?;
    if objects.is_empty() {
        return Ok(());
    }
    let engine = match control.engine_of(&record).await? {
        Ok(engine) => engine,
        Err(none) => {
            say(control, &record, &objects, &none.to_string()).await?;
            return Err(none.into());
        }
    };
    let place = place.or_else(|| control.engines.place(&engine.settings.name, &record.spec.provider));
    let Some(_place) = place else {
        return Err(Unfinished::NoPlace(engine.settings.name.clone()));
    };
    // Read again: with this in hand, what is wanted can't have been removed together with its network before it is looked at.
    let making = engine.making.read().await;
    let objects = control.store.objects(addon).await?;
    // Whoever wants nothing any more is on the way out, and may take the network along.
    let _making = objects.iter().any(|object| object.wanted.is_some()).then_some(making);
    let looked = engine.ask(engine.engine.objects(control.store.installation(), Some(addon))).await;
    let all = match looked {
        Ok(all) => all,
        Err(error) => {
            say(control, &record, &objects, &error.to_string()).await?;
            return Err(error.into());
        }
    };
    let ours = all.into_iter().filter(has_given_name);
    // What data flow through is none of the objects.
    let (streams, found): (Vec<_>, Vec<_>) = ours.partition(|found| found.operation.is_some());
    let networks = control.store.networks(addon).await?;
    let it = Settling { control, engine: &engine, addon, record, objects, found, networks, turn };
    let settled = async {
        it.remove_streams(&streams).await?;
        let stays = it.remove().await?;
        if it.is_kept() {
            it.stop().await?
        } else {
            it.make().await?
        }
        stays.map_or(Ok(()), |error| Err(error.into()))
    };
    let settled = settled.await;
    if let Err(Unfinished::Engine(error)) = &settled {
        engine.heard(Some(error));
    }
    settled
}

/// Says of objects that are to be made, or started with their addon, what they wait for, so that whoever inspects them can tell.
async fn say(control: &Control, record: &AddonRecord, objects: &[StoredObject], why: &str) -> Result<(), StoreError> {
    let is_kept = record.addon.kept().is_some();
    let waits = |object: &&StoredObject| match object.phase {
        Phase::Waiting => object.wanted.is_some(),
        Phase::Stopped => object.wanted.is_some() && !is_kept,
        Phase::Made | Phase::Failed => false,
    };
    for object in objects.iter().filter(waits).filter(|object| object.message != why) {
        let (id, phase, why) = (record.spec.id, object.phase, why.to_owned());
        control.store.note_object(id, &object.name, object.revision, phase, why).await?;
    }
    Ok(())
}

/// The sooner of two times to look again.
fn sooner(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// One addon's objects, as the store and the engine have them.
struct Settling<'a> {
    control: &'a Control,
    engine: &'a NamedEngine,
    addon: AddonId,
    record: AddonRecord,
    objects: Vec<StoredObject>,
    found: Vec<Found>,
    /// The networks of the apps that use it.
    networks: Vec<NetworkName>,
    turn: Turn,
}

impl Settling<'_> {
    /// Whether the addon is deleted and can be had back.
    fn is_kept(&self) -> bool {
        self.record.addon.kept().is_some()
    }

    /// Makes what is missing: volumes first, and meanwhile what containers need beside them.
    async fn make(&self) -> Result<(), Unfinished> {
        let beside = match self.beside().await {
            Err(Unfinished::Engine(error)) => {
                let why = self.blotted(error.to_string()).await?;
                let containers: Vec<_> = self.containers().map(|(object, _)| object.clone()).collect();
                say(self.control, &self.record, &containers, &why).await?;
                return Err(error.into());
            }
            other => other?,
        };
        let (mut again, mut failed, mut all_run) = (None, None, true);
        for (object, spec) in self.containers().filter(|(object, _)| self.is_to_run(object)) {
            let (runs, again_ms, error) = match self.container(object, spec, &beside).await {
                Ok((runs, again_ms)) => (runs, again_ms, None),
                Err(Unfinished::Pause(ms)) => (false, Some(ms), None),
                Err(Unfinished::Engine(error)) => {
                    self.stands_still(object, &error).await?;
                    self.does_not_run(object, &error).await?;
                    (false, None, Some(error))
                }
                Err(error) => return Err(error),
            };
            if !runs {
                all_run = false;
                self.is_missed(object).await?;
            }
            again = sooner(again, again_ms);
            match error {
                Some(error @ EngineError::Unreachable(_)) => return Err(error.into()),
                // What can't be done about one is no reason to leave the others.
                error => failed = failed.or(error),
            }
        }
        // What lacks a network may do so for days, and its provider is not to be asked each time.
        if all_run && (again.is_none() || self.was_ill()) {
            self.is_well().await?;
        }
        match (failed, again) {
            (Some(error), _) => Err(error.into()),
            (None, Some(ms)) => Err(Unfinished::Pause(ms)),
            (None, None) => Ok(()),
        }
    }

    async fn beside(&self) -> Result<Beside, Unfinished> {
        let (volumes, network, images) = tokio::join!(self.volumes(), self.network(), self.images());
        volumes?;
        Ok(Beside { network: network?, images: images? })
    }

    /// Says of an object what its engine said, whatever it has been noted to be by now: it is not what it is to be.
    async fn stands_still(&self, object: &StoredObject, error: &EngineError) -> Result<(), Unfinished> {
        let why = self.blotted(error.to_string()).await?;
        match self.now(object).await? {
            Some(now) if now.message != why => self.note(object, now.phase, why).await.map(drop),
            _ => Ok(()),
        }
    }

    /// An object as it is stored by now.
    async fn now(&self, object: &StoredObject) -> Result<Option<StoredObject>, StoreError> {
        let is_it = |now: &StoredObject| now.name == object.name && now.revision == object.revision;
        Ok(self.control.store.objects(self.addon).await?.into_iter().find(is_it))
    }

    async fn volumes(&self) -> Result<(), Unfinished> {
        let is_volume = |object: &&StoredObject| {
            matches!(object.wanted.as_ref().map(|wanted| &wanted.spec), Some(ObjectSpec::Volume(_)))
        };
        for object in self.objects.iter().filter(is_volume) {
            let made = self.volume(object).await;
            if let Err(Unfinished::Engine(error)) = &made {
                self.stands_still(object, error).await?;
            }
            made?;
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
        self.containers().filter(|(object, _)| self.is_to_run(object) && !self.is_found(object))
    }

    /// What was stopped with its addon runs again if that is had back, and not for its removal. What could not be made is its
    /// provider's to decide about, and tried again when that is asked no more.
    fn is_to_run(&self, object: &StoredObject) -> bool {
        match object.phase {
            Phase::Failed | Phase::Stopped => self.is_in_use(),
            Phase::Waiting | Phase::Made => true,
        }
    }

    fn is_found(&self, object: &StoredObject) -> bool {
        let is_it = |found: &Found| found.owner.name == object.name && found.owner.revision == object.revision;
        self.found.iter().any(|found| found.kind == ObjectKind::Container && is_it(found))
    }

    async fn volume(&self, object: &StoredObject) -> Result<(), Unfinished> {
        if self.found.iter().any(|found| found.owner.name == object.name && found.kind == ObjectKind::Volume) {
            return self.made(object).await;
        }
        self.engine.engine.create_volume(&full_name(self.addon, &object.name), &self.owner(object)).await?;
        if object.phase == Phase::Made {
            let message = format!("the volume {} was gone; it is there again, empty", object.name);
            self.record("volume_lost", message).await?;
        }
        self.made(object).await?;
        // Volumes may be all that it waits for.
        self.tell_addon().await
    }

    fn owner(&self, object: &StoredObject) -> Owner {
        let installation = self.control.store.installation();
        Owner { installation, addon: self.addon, name: object.name.clone(), revision: object.revision }
    }

    fn wanted(&self, name: &LocalName) -> Option<(&StoredObject, &ObjectSpec)> {
        let object = self.objects.iter().find(|object| object.name == *name)?;
        Some((object, &object.wanted.as_ref()?.spec))
    }

    async fn made(&self, object: &StoredObject) -> Result<(), Unfinished> {
        // What it waited for once it waits for no more.
        if object.phase != Phase::Made || object.message != THERE {
            self.note(object, Phase::Made, THERE.to_owned()).await?;
        }
        Ok(())
    }

    /// It can't be made, whatever is tried: always false.
    async fn failed(&self, object: &StoredObject, reason: String) -> Result<bool, Unfinished> {
        let reason = self.blotted(reason).await?;
        if self.is_in_use() {
            // Its provider is asked no more, so nobody would say what is to become of it.
            self.note(object, Phase::Waiting, reason).await?;
            return Err(Unfinished::Pause(IN_USE_AGAIN_MS));
        }
        self.record("object_failed", format!("{}: {reason}", object.name)).await?;
        self.note(object, Phase::Failed, reason).await?;
        self.tell_addon().await?;
        Ok(false)
    }

    /// What an engine said, without the addon's secrets: it may quote what it was asked for.
    async fn blotted(&self, text: String) -> Result<String, Unfinished> {
        Ok(redact(text, &secrets::all(self.control, &self.record).await?))
    }

    /// False if the object is to be something else by now.
    async fn note(&self, object: &StoredObject, phase: Phase, message: String) -> Result<bool, Unfinished> {
        Ok(self.control.store.note_object(self.addon, &object.name, object.revision, phase, message).await?)
    }

    /// Has the addon's provider look at once at what it may wait for. A cleanup that fails waits for nothing here, and would only use up
    /// its attempts sooner.
    async fn tell_addon(&self) -> Result<(), Unfinished> {
        if matches!(self.record.addon.cleanup, Cleanup::Failing { .. }) {
            return Ok(());
        }
        Ok(self.control.store.poke_addon(self.addon).await?)
    }

    async fn record(&self, kind: &'static str, message: String) -> Result<(), Unfinished> {
        Ok(self.control.store.record(self.addon, Entry::new(kind, message)).await?)
    }
}
