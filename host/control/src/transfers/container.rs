//! The container of one transfer: made with what the provider described, joined to its streams, started, and removed whatever happens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder_domain::docker::{LocalName, ObjectKind, ObjectSpec};
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::{
    Attached, ContainerState, EngineError, NewContainer, Owner, Passage, StreamThrough,
};
use larder_domain::transfer::{SERVER_NAME, Transfer};
use larder_domain::{AddonId, AddonRecord, OperationId};
use tokio::time::{Instant, sleep};

use crate::Control;
use crate::containers::{NamedEngine, full_name, network_name, passage, stream_name};
use crate::engines::NoEngine;
use crate::worker::{PROVIDER, PULL_WAIT};

/// How long the engine may take to say how a program has ended that prints no more.
const EXIT_WAIT: Duration = Duration::from_secs(60);
/// How often it is asked, at first and in the end.
const ASK_AGAIN_MIN: Duration = Duration::from_millis(10);
const ASK_AGAIN_MAX: Duration = Duration::from_millis(500);

/// Why there is no container.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRun {
    /// There is no engine for it.
    #[error(transparent)]
    NoEngine(#[from] NoEngine),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store failed.
    #[error("the host's store failed")]
    Store(#[from] StoreError),
}

/// A container that runs.
pub(super) struct Running {
    pub(super) streams: Box<dyn Attached>,
    engine: Arc<NamedEngine>,
    full_name: String,
}

/// Where a container is noted that was made, or is about to be: whoever breaks off what uses it still knows of it.
#[derive(Default)]
pub(super) struct Slot(Mutex<Option<Made>>);

/// A container that is to be removed, at the latest when this is dropped.
struct Made {
    engine: Arc<NamedEngine>,
    full_name: String,
    /// The network that was made for it.
    passage: Option<Passage>,
    is_gone: bool,
}

impl Running {
    /// Makes and starts it.
    pub(super) async fn start(
        control: &Control,
        record: &AddonRecord,
        operation: OperationId,
        transfer: &Transfer,
        has_input: bool,
        slot: &Slot,
    ) -> Result<Self, NotRun> {
        let Place { engine, beside, server } = Place::of(control, record, transfer).await?;
        if !engine.ask(engine.engine.has_image(&transfer.container.image)).await? {
            engine.engine.pull(&transfer.container.image, PULL_WAIT).await?;
        }
        let (id, installation) = (record.spec.id, control.store.installation());
        let name = stream_name(id, operation);
        let passage = server.as_ref().map(|_| passage(installation, operation));
        let network = passage.as_ref().map_or_else(|| network_name(installation), |passage| passage.name.clone());
        slot.note(Made { engine: engine.clone(), full_name: name.clone(), passage: passage.clone(), is_gone: false });
        let making = engine.making.read().await;
        match server.zip(passage) {
            Some((server, passage)) => {
                engine.engine.open_passage(installation, &passage, &server, SERVER_NAME).await?;
            }
            None => {
                let _turn = engine.networking.lock().await;
                engine.engine.ensure_network(installation, &network).await?;
            }
        }
        let mounts = transfer.container.mounts.iter();
        let container = NewContainer {
            full_name: name.clone(),
            owner: Owner { installation, addon: id, name: transfer.container.name.clone(), revision: 0 },
            labels: [(PROVIDER.to_owned(), record.spec.provider.to_string())].into(),
            spec: &transfer.container,
            volumes: mounts.map(|mount| (mount.volume.clone(), full_name(id, &mount.volume))).collect(),
            published: Default::default(),
            network,
            stream: Some(StreamThrough { operation, has_input, beside }),
        };
        engine.engine.create_container(container).await?;
        let streams = engine.engine.attach(&name, has_input).await?;
        engine.engine.start(&name).await?;
        drop(making);
        Ok(Self { streams, engine, full_name: name })
    }

    /// How its program has ended, which prints no more.
    pub(super) async fn exit(&mut self) -> Result<(), String> {
        let (until, mut pause) = (Instant::now() + EXIT_WAIT, ASK_AGAIN_MIN);
        loop {
            match self.engine.engine.state(&self.full_name).await {
                Ok(Some(ContainerState::Exited { code: 0, .. })) => return Ok(()),
                Ok(Some(ContainerState::Exited { out_of_memory: true, .. })) => {
                    return Err("the program used up its memory".to_owned());
                }
                Ok(Some(ContainerState::Exited { code, .. })) => {
                    return Err(format!("the program ended with code {code}"));
                }
                Ok(None) => return Err("its container is gone".to_owned()),
                Ok(Some(_)) if Instant::now() >= until => return Err("the program does not end".to_owned()),
                Err(error) if Instant::now() >= until => return Err(error.to_string()),
                Ok(Some(_)) | Err(_) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(ASK_AGAIN_MAX);
        }
    }
}

impl Slot {
    /// Known before it is made: what breaks off in between is removed too.
    fn note(&self, made: Made) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
    }

    /// Removes it. What the engine can't remove now, the worker's look at everything does.
    pub(super) async fn remove(&self) {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut made) = made {
            remove(&made.engine, &made.full_name, made.passage.as_ref()).await;
            made.is_gone = true;
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        let (engine, full_name) = (self.engine.clone(), std::mem::take(&mut self.full_name));
        let passage = self.passage.take();
        // At the end of the process there is nobody to do it; then it is found at the next start.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { remove(&engine, &full_name, passage.as_ref()).await });
        }
    }
}

async fn remove(engine: &NamedEngine, full_name: &str, passage: Option<&Passage>) {
    if let Err(error) = engine.engine.remove_container(full_name, Duration::ZERO).await {
        tracing::warn!(%error, full_name, "a transfer's container could not be removed; it is tried again");
    }
    if let Some(Passage { name, .. }) = passage
        && let Err(error) = engine.engine.close_passage(name).await
    {
        tracing::warn!(%error, name, "a transfer's network could not be removed; it is tried again");
    }
}

/// Where it runs.
struct Place {
    engine: Arc<NamedEngine>,
    /// The addon's own container whose network it shares.
    beside: Option<String>,
    /// The container that it reaches in a network of their own, of the server that the addon is a part of.
    server: Option<String>,
}

impl Place {
    /// Beside one of the addon's own containers, that which is named or else the first; or with a way to the first one of the server
    /// that the addon is a part of, if that has one. Never beside that: servers trust whoever is in their own network's namespace,
    /// and the program does what is in a user's file.
    async fn of(control: &Control, record: &AddonRecord, transfer: &Transfer) -> Result<Self, NotRun> {
        let id = record.spec.id;
        let own = match &transfer.beside {
            Some(named) => Some(named.clone()),
            None => first_container(control, id).await?,
        };
        if let (None, Some(parent)) = (&own, record.spec.parent)
            && let Some(name) = first_container(control, parent).await?
            && let Some(parent) = control.store.addon(parent).await?
        {
            let engine = control.engine_of(&parent).await??;
            return Ok(Self { engine, beside: None, server: Some(full_name(parent.spec.id, &name)) });
        }
        let engine = control.engine_of(record).await??;
        Ok(Self { engine, beside: own.map(|name| full_name(id, &name)), server: None })
    }
}

async fn first_container(control: &Control, addon: AddonId) -> Result<Option<LocalName>, StoreError> {
    let is_container = |spec: &ObjectSpec| spec.kind() == ObjectKind::Container;
    let mut objects = control.store.objects(addon).await?;
    objects.retain(|object| object.wanted.as_ref().is_some_and(|wanted| is_container(&wanted.spec)));
    Ok(objects.into_iter().map(|object| object.name).min())
}
