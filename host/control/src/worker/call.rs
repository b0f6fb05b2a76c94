//! What one call may reach of the host: its own addon's state and objects, as long as it holds the lease.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use larder_domain::docker::{LocalName, ObjectSpec, Objects, Status};
use larder_domain::failure::bounded_text;
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::{ContainerState, EngineError, Exec, ExecOutput};
use larder_domain::ports::runtime::{CallContext, ContextError, GuestState};
use larder_domain::ports::store::{Phase, StoredObject};
use larder_domain::work::Lease;
use larder_domain::{AddonId, AddonSpec, SecretString};

use super::objects::last_words;
use super::running::Held;
use crate::Control;
use crate::containers::{NamedEngine, full_name};
use crate::engines::NoEngine;

pub(super) struct Context {
    pub(super) control: Control,
    pub(super) spec: Arc<AddonSpec>,
    /// The engine that its objects are on, or why there is none.
    pub(super) engine: Result<Arc<NamedEngine>, NoEngine>,
    pub(super) lease: Lease,
    /// How long that is good for.
    pub(super) held: Option<Arc<Held>>,
    /// What the addon's containers may know and are not to tell.
    pub(super) secrets: Vec<SecretString>,
    /// The provider's state, if it is known: to be had once, since the call may change it.
    pub(super) state: Mutex<Option<GuestState>>,
    /// The published ports that the call may connect to: those of containers that were there when it began.
    pub(super) open: Option<BTreeSet<u16>>,
}

#[async_trait]
impl CallContext for Context {
    fn is_held(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.is_valid())
    }

    async fn load_state(&self) -> Result<GuestState, ContextError> {
        let known = self.state.lock().unwrap_or_else(PoisonError::into_inner).take();
        match known {
            Some(state) => Ok(state),
            None => self.control.store.guest_state(self.addon()).await.map_err(context_error),
        }
    }

    async fn checkpoint(&self, state: &GuestState) -> Result<(), ContextError> {
        self.control.store.checkpoint(&self.lease, self.addon(), state).await.map_err(context_error)
    }

    async fn load_objects(&self) -> Result<Objects, ContextError> {
        let stored = self.control.store.objects(self.addon()).await.map_err(context_error)?;
        Ok(stored.into_iter().filter_map(|object| Some((object.name, object.wanted?))).collect())
    }

    async fn inspect(&self, name: &LocalName) -> Result<Status, ContextError> {
        let object = self.object(name).await?;
        match object.phase {
            Phase::Waiting => Ok(Status::Waiting { message: object.message }),
            Phase::Failed => Ok(Status::Failed { reason: object.message }),
            Phase::Made | Phase::Stopped if is_container(&object) => self.container(name).await,
            Phase::Made | Phase::Stopped => Ok(Status::Running { endpoints: vec![] }),
        }
    }

    async fn for_app(&self, host: &str, port: u16) -> Result<(String, u16), ContextError> {
        let engine = self.engine.as_ref().ok().map(|engine| &engine.settings.name);
        self.control.for_app(&self.spec, engine, (host, port)).await.map_err(context_error)
    }

    async fn exec(&self, name: &LocalName, exec: Exec) -> Result<ExecOutput, ContextError> {
        // The last look before something is done that can't be taken back.
        match self.control.store.holds(self.addon(), self.lease.token).await {
            Ok(true) => {}
            Ok(false) => return Err(ContextError::Superseded),
            Err(error) => return Err(context_error(error)),
        }
        // What it was permitted for is what runs.
        match self.object(name).await?.phase {
            Phase::Made => {}
            Phase::Stopped => return Err(ContextError::Unfit(format!("the container {name} is stopped"))),
            Phase::Waiting | Phase::Failed => {
                return Err(ContextError::Unfit(format!("the container {name} is being made anew")));
            }
        }
        let engine = self.engine()?;
        let done = engine.ask(engine.engine.exec(&full_name(self.addon(), name), exec)).await;
        done.map_err(|error| engine_error(&error))
    }
}

impl Context {
    fn addon(&self) -> AddonId {
        self.spec.id
    }

    async fn object(&self, name: &LocalName) -> Result<StoredObject, ContextError> {
        let stored = self.control.store.objects(self.addon()).await.map_err(context_error)?;
        let found = stored.into_iter().find(|object| object.name == *name && object.wanted.is_some());
        found.ok_or_else(|| ContextError::Unfit(format!("the addon is to have no object {name}")))
    }

    async fn container(&self, name: &LocalName) -> Result<Status, ContextError> {
        let (engine, full_name) = (self.engine()?, full_name(self.addon(), name));
        let state = engine.ask(engine.engine.state(&full_name)).await.map_err(|error| engine_error(&error))?;
        Ok(match state {
            Some(ContainerState::Running) => {
                let ports = self.control.store.published(self.addon()).await.map_err(context_error)?.remove(name);
                let ports = ports.unwrap_or_default();
                if self.open.as_ref().is_some_and(|open| !ports.values().all(|port| open.contains(port))) {
                    // It can't be reached in this call. The next one follows at once.
                    return Ok(Status::Waiting { message: "it has just been started".to_owned() });
                }
                Status::Running { endpoints: engine.published(&ports) }
            }
            Some(ContainerState::Exited { code, out_of_memory }) => {
                Status::Exited { code, out_of_memory, log: last_words(engine, &full_name, &self.secrets).await }
            }
            Some(ContainerState::Created) => Status::Waiting { message: "it is being started".to_owned() },
            Some(ContainerState::Paused) => Status::Waiting { message: "it is paused".to_owned() },
            Some(ContainerState::Other(state)) => Status::Waiting { message: format!("it is {state}") },
            None => Status::Waiting { message: "it is gone, and will be made anew".to_owned() },
        })
    }

    fn engine(&self) -> Result<&NamedEngine, ContextError> {
        self.engine.as_deref().map_err(|none| ContextError::Unavailable(none.to_string()))
    }
}

fn context_error(error: StoreError) -> ContextError {
    match error {
        StoreError::Fenced => ContextError::Superseded,
        // The cause is the operator's to know, not the guest's.
        other => {
            if !other.is_told_already() {
                tracing::warn!(error = %other, "a guest's state could not be reached");
            }
            ContextError::Unavailable("the host's store failed".into())
        }
    }
}

fn engine_error(error: &EngineError) -> ContextError {
    match error {
        EngineError::Missing | EngineError::Conflict(_) | EngineError::Refused(_) => {
            ContextError::Unfit(bounded_text(error.to_string()))
        }
        other => ContextError::Unavailable(bounded_text(other.to_string())),
    }
}

fn is_container(object: &StoredObject) -> bool {
    matches!(object.wanted.as_ref().map(|wanted| &wanted.spec), Some(ObjectSpec::Container(_)))
}
