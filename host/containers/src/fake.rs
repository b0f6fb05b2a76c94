//! An engine that is none: it keeps its objects in memory, does at once what a test has scripted, and tells what it was asked.
//! For tests of whoever uses the port. What it answers is what [`crate::DockerEngine`] answers over a real engine; the tests of
//! both say so.

mod attached;
mod engine;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_domain::docker::Image;
use larder_domain::ids::AddonId;
use larder_domain::ports::engine::{ContainerState, EngineError, EngineEvent, ExecOutput};
use tokio::sync::{broadcast, watch};
use world::World;
pub use world::{Call, FakeContainer, FakeProgram};

/// How many events a slow listener may be behind.
const EVENTS_MAX: usize = 1024;

/// The fake. It has no images, and so nothing can be made before [`FakeEngine::add_image`] or a pull.
#[derive(Debug)]
pub struct FakeEngine {
    world: Arc<Mutex<World>>,
    events: broadcast::Sender<Result<EngineEvent, EngineError>>,
    removes: watch::Sender<bool>,
}

impl Default for FakeEngine {
    fn default() -> Self {
        Self { world: Arc::default(), events: broadcast::Sender::new(EVENTS_MAX), removes: watch::Sender::new(true) }
    }
}

impl FakeEngine {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine has the image.
    pub fn add_image(&self, image: &Image) {
        self.world().images.insert(image.to_string());
    }

    /// The engine does not have the image, and can pull it.
    pub fn add_to_registry(&self, image: &Image) {
        self.world().registry.insert(image.to_string());
    }

    /// The next `times` calls of a function fail so, and do nothing.
    pub fn fail(&self, call: Call, times: usize, error: &EngineError) {
        let failures = std::iter::repeat_n(error.clone(), times);
        self.world().failures.entry(call).or_default().extend(failures);
    }

    /// Each call of a function about something fails so, until it is to do so no more.
    pub fn always_fail(&self, call: Call, about: &str, error: Option<&EngineError>) {
        let (mut world, key) = (self.world(), (call, about.to_owned()));
        match error {
            Some(error) => drop(world.always.insert(key, error.clone())),
            None => drop(world.always.remove(&key)),
        }
    }

    /// Volumes are removed, or whoever asks for that waits until they are.
    pub fn removes_volumes(&self, removes: bool) {
        self.removes.send_replace(removes);
    }

    /// Containers of the image end as soon as they are started.
    pub fn exits_at_once(&self, image: &Image, code: i64, last_words: &str) {
        self.world().exits_at_once.insert(image.to_string(), (code, last_words.to_owned()));
    }

    /// Somebody has made a network for an app.
    pub fn add_network(&self, name: &str) {
        let mut world = self.world();
        world.networks_of_apps.insert(name.to_owned());
        world.new_network(name);
    }

    /// Somebody has removed a network. What is in it stays what it is until it is started.
    pub fn remove_network(&self, name: &str) {
        let mut world = self.world();
        world.networks_of_apps.remove(name);
        world.networks.remove(name);
        world.network_ids.remove(name);
    }

    /// Somebody else listens at the address.
    pub fn take_address(&self, address: SocketAddr) {
        self.world().taken.insert(address);
    }

    /// Nobody else listens at the address any more.
    pub fn free_address(&self, address: SocketAddr) {
        self.world().taken.remove(&address);
    }

    /// What the next command in the container brings; of several, one after the other. Otherwise it is code 0 and no output.
    pub fn answer_exec(&self, full_name: &str, output: Result<ExecOutput, EngineError>) {
        self.world().execs.entry(full_name.to_owned()).or_default().push_back(output);
    }

    /// What containers of the image do that were made for a stream.
    pub fn runs(&self, image: &Image, program: FakeProgram) {
        self.world().programs.insert(image.to_string(), program);
    }

    /// All that containers made for streams have read, one after the other.
    pub fn received(&self) -> Vec<u8> {
        self.world().received.clone()
    }

    /// A container's process ends. Nothing happens if it doesn't run.
    pub fn exit(&self, full_name: &str, code: i64, out_of_memory: bool, last_words: &str) {
        let addon = {
            let mut world = self.world();
            let Some(container) = world.containers.get_mut(full_name) else { return };
            container.state = ContainerState::Exited { code, out_of_memory };
            last_words.clone_into(&mut container.last_words);
            container.owner.addon
        };
        if out_of_memory {
            self.say(addon, "oom");
        }
        self.say(addon, "die");
    }

    /// The list of all goes on to have a container as one that runs, as an engine's does for a moment after it has ended.
    pub fn lists_as_running(&self, full_name: &str, does: bool) {
        let mut world = self.world();
        if does {
            world.listed_running.insert(full_name.to_owned())
        } else {
            world.listed_running.remove(full_name)
        };
    }

    /// A person pauses a container that runs, or lets it go on.
    pub fn pause(&self, full_name: &str, is_paused: bool) {
        let addon = {
            let mut world = self.world();
            let Some(container) = world.containers.get_mut(full_name) else { return };
            container.state = if is_paused { ContainerState::Paused } else { ContainerState::Running };
            container.owner.addon
        };
        self.say(addon, if is_paused { "pause" } else { "unpause" });
    }

    /// A person removes a container behind the host's back.
    pub fn destroy(&self, full_name: &str) {
        let removed = self.world().containers.remove(full_name);
        if let Some(container) = removed {
            self.say(container.owner.addon, "destroy");
        }
    }

    /// All streams of events break off.
    pub fn break_events(&self, error: &EngineError) {
        // Nobody may be listening.
        let _ = self.events.send(Err(error.clone()));
    }

    /// Something happens to an object of the addon.
    fn say(&self, addon: AddonId, action: &str) {
        let _ = self.events.send(Ok(EngineEvent { addon, action: action.to_owned() }));
    }

    /// All calls so far: which function, and the object, image or network that it was about.
    pub fn calls(&self) -> Vec<(Call, String)> {
        self.world().calls.clone()
    }

    /// How often a function was called.
    pub fn count(&self, call: Call) -> usize {
        self.world().calls.iter().filter(|(called, _)| *called == call).count()
    }

    /// A container as it was asked for and is.
    pub fn container(&self, full_name: &str) -> Option<FakeContainer> {
        self.world().containers.get(full_name).cloned()
    }

    /// The full names of all containers.
    pub fn containers(&self) -> Vec<String> {
        self.world().containers.keys().cloned().collect()
    }

    /// The full names of all volumes.
    pub fn volumes(&self) -> Vec<String> {
        self.world().volumes.keys().cloned().collect()
    }

    /// The names of all networks.
    pub fn networks(&self) -> Vec<String> {
        self.world().networks.keys().cloned().collect()
    }
}
