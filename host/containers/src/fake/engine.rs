//! The port over the fake's memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use larder_domain::docker::{Image, ObjectKind};
use larder_domain::ids::{AddonId, InstallationId};
use larder_domain::ports::engine::{
    Attached, ContainerState, Engine, EngineError, EngineEvent, EngineEvents, EngineInfo, Exec, ExecOutput, Found,
    NewContainer, Owner,
};
use tokio::sync::broadcast::{self, error::RecvError};

use super::FakeEngine;
use super::attached::FakeAttached;
use super::world::{Call, World};

/// How a process ends that is told to stop and does not care: 128 and the signal KILL.
const STOPPED_BY_SIGNAL: i64 = 137;

#[async_trait]
impl Engine for FakeEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.world().called(Call::Info, "")?;
        Ok(EngineInfo {
            version: "0.0".into(),
            api_version: "1.41".into(),
            storage_driver: "memory".into(),
            limits_memory: true,
        })
    }

    async fn has_image(&self, image: &Image) -> Result<bool, EngineError> {
        let mut world = self.world();
        world.called(Call::HasImage, &image.to_string())?;
        Ok(world.images.contains(&image.to_string()))
    }

    async fn pull(&self, image: &Image, _at_most: Duration) -> Result<(), EngineError> {
        let mut world = self.world();
        world.called(Call::Pull, &image.to_string())?;
        world.pull(image.to_string())
    }

    async fn ensure_network(&self, installation: InstallationId, name: &str) -> Result<(), EngineError> {
        let mut world = self.world();
        world.called(Call::EnsureNetwork, name)?;
        let owner = world.networks.entry(name.to_owned()).or_insert(installation);
        let conflict = || EngineError::Conflict(format!("the network {name} is not this installation's"));
        if *owner == installation { Ok(()) } else { Err(conflict()) }
    }

    async fn objects(&self, installation: InstallationId, addon: Option<AddonId>) -> Result<Vec<Found>, EngineError> {
        let mut world = self.world();
        world.called(Call::Objects, &addon.map(|addon| addon.to_string()).unwrap_or_default())?;
        let is_asked_for = |found: &Found| {
            found.owner.installation == installation && addon.is_none_or(|addon| found.owner.addon == addon)
        };
        Ok(found(&world).filter(is_asked_for).collect())
    }

    async fn create_volume(&self, full_name: &str, owner: &Owner) -> Result<(), EngineError> {
        let mut world = self.world();
        world.called(Call::CreateVolume, full_name)?;
        world.create_volume(full_name, owner)
    }

    async fn create_container(&self, container: NewContainer<'_>) -> Result<(), EngineError> {
        let addon = container.owner.addon;
        {
            let mut world = self.world();
            world.called(Call::CreateContainer, &container.full_name)?;
            world.create(container)?;
        }
        self.say(addon, "create");
        Ok(())
    }

    async fn start(&self, full_name: &str) -> Result<(), EngineError> {
        let (addon, actions) = {
            let mut world = self.world();
            world.called(Call::Start, full_name)?;
            let actions = world.start(full_name)?;
            (world.containers.get(full_name).map(|container| container.owner.addon), actions)
        };
        for action in actions {
            addon.into_iter().for_each(|addon| self.say(addon, action));
        }
        Ok(())
    }

    async fn state(&self, full_name: &str) -> Result<Option<ContainerState>, EngineError> {
        let mut world = self.world();
        world.called(Call::State, full_name)?;
        Ok(world.containers.get(full_name).map(|container| container.state.clone()))
    }

    async fn last_words(&self, full_name: &str, lines_max: usize, bytes_max: usize) -> Result<String, EngineError> {
        let mut world = self.world();
        world.called(Call::LastWords, full_name)?;
        let container = world.containers.get(full_name).ok_or(EngineError::Missing)?;
        let lines: Vec<&str> = container.last_words.lines().collect();
        let text = lines[lines.len().saturating_sub(lines_max)..].join("\n");
        let start = text.len().saturating_sub(bytes_max);
        let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        Ok(text[start..].to_owned())
    }

    async fn stop_container(&self, full_name: &str, _stop: Duration) -> Result<(), EngineError> {
        self.world().called(Call::StopContainer, full_name)?;
        let runs = self.container(full_name).is_some_and(|container| container.state == ContainerState::Running);
        if runs {
            self.exit(full_name, STOPPED_BY_SIGNAL, false, "");
        }
        Ok(())
    }

    async fn remove_container(&self, full_name: &str, _stop: Duration) -> Result<(), EngineError> {
        let removed = {
            let mut world = self.world();
            world.called(Call::RemoveContainer, full_name)?;
            world.containers.remove(full_name)
        };
        if let Some(container) = removed {
            if container.state == ContainerState::Running {
                self.say(container.owner.addon, "die");
            }
            self.say(container.owner.addon, "destroy");
        }
        Ok(())
    }

    async fn remove_volume(&self, full_name: &str) -> Result<(), EngineError> {
        let mut world = self.world();
        world.called(Call::RemoveVolume, full_name)?;
        world.remove_volume(full_name)
    }

    async fn exec(&self, full_name: &str, exec: Exec) -> Result<ExecOutput, EngineError> {
        let mut world = self.world();
        world.called(Call::Exec, full_name)?;
        let mut output = world.exec(full_name)?;
        for kept in [&mut output.stdout, &mut output.stderr] {
            output.truncated |= kept.len() > exec.output_bytes_max;
            kept.truncate(exec.output_bytes_max);
        }
        Ok(output)
    }

    async fn attach(&self, full_name: &str, _has_input: bool) -> Result<Box<dyn Attached>, EngineError> {
        let mut world = self.world();
        world.called(Call::Attach, full_name)?;
        let program = world.program_of(full_name)?;
        Ok(Box::new(FakeAttached::new(Arc::clone(&self.world), full_name.to_owned(), program)))
    }

    async fn events(&self, installation: InstallationId) -> Result<Box<dyn EngineEvents>, EngineError> {
        self.world().called(Call::Events, &installation.to_string())?;
        Ok(Box::new(FakeEvents(self.events.subscribe())))
    }
}

fn found(world: &World) -> impl Iterator<Item = Found> {
    let containers = world.containers.iter().map(|(full_name, container)| Found {
        kind: ObjectKind::Container,
        full_name: full_name.clone(),
        owner: container.owner.clone(),
        running: container.state == ContainerState::Running,
        operation: container.stream.as_ref().map(|stream| stream.operation),
    });
    let volumes = world.volumes.iter().map(|(full_name, owner)| Found {
        kind: ObjectKind::Volume,
        full_name: full_name.clone(),
        owner: owner.clone(),
        running: false,
        operation: None,
    });
    containers.chain(volumes)
}

/// Addons are of one installation in a test, so all that is said is for everybody.
struct FakeEvents(broadcast::Receiver<Result<EngineEvent, EngineError>>);

#[async_trait]
impl EngineEvents for FakeEvents {
    async fn next(&mut self) -> Result<EngineEvent, EngineError> {
        match self.0.recv().await {
            Ok(said) => said,
            Err(RecvError::Closed) => Err(EngineError::Unreachable("the fake is gone".into())),
            Err(RecvError::Lagged(_)) => Err(EngineError::Failed("more happened than is kept".into())),
        }
    }
}
