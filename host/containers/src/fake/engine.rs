//! The port over the fake's memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use larder_domain::NetworkName;
use larder_domain::docker::{Image, ObjectKind};
use larder_domain::ids::{AddonId, InstallationId};
use larder_domain::ports::engine::{
    Attached, ContainerState, Engine, EngineError, EngineEvent, EngineEvents, EngineInfo, Exec, ExecOutput, Found,
    NewContainer, Owner, Passage,
};
use tokio::sync::broadcast::{self, error::RecvError};

use super::FakeEngine;
use super::attached::FakeAttached;
use crate::join::connected_by_others;

use super::world::{Call, FakeContainer, World};

/// How a process ends that is told to stop and does not care: 128 and the signal KILL.
const STOPPED_BY_SIGNAL: i64 = 137;
/// How often others get their turn while a container is removed.
const REMOVAL_YIELDS: usize = 1_000;

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
        match world.networks.get(name) {
            Some(owner) if *owner == installation => Ok(()),
            Some(_) => Err(EngineError::Conflict(format!("the network {name} is not this installation's"))),
            None => {
                world.networks.insert(name.to_owned(), installation);
                world.new_network(name);
                Ok(())
            }
        }
    }

    async fn has_network(&self, name: &NetworkName) -> Result<bool, EngineError> {
        let mut world = self.world();
        world.called(Call::HasNetwork, name.as_str())?;
        match world.networks.contains_key(name.as_str()) {
            true => Err(EngineError::Refused(format!("the network {name} is one of Larder's own"))),
            false => Ok(world.networks_of_apps.contains(name.as_str())),
        }
    }

    async fn join_network(&self, full_name: &str, network: &NetworkName, known_as: &str) -> Result<(), EngineError> {
        let mut world = self.world();
        world.called(Call::JoinNetwork, &format!("{full_name} {network}"))?;
        if !world.networks_of_apps.contains(network.as_str()) {
            return Err(EngineError::NoNetwork(network.clone()));
        }
        let id = world.network_ids.get(network.as_str()).copied();
        let container = world.containers.get_mut(full_name).ok_or(EngineError::Missing)?;
        if let Some(name) = container.joined.get(network.as_str()) {
            return if name == known_as { Ok(()) } else { Err(connected_by_others(full_name, network)) };
        }
        container.joined.insert(network.to_string(), known_as.to_owned());
        container.networks.extend(id.map(|id| (network.to_string(), id)));
        Ok(())
    }

    async fn leave_network(&self, full_name: &str, network: &str, known_as: &str) -> Result<(), EngineError> {
        let mut world = self.world();
        world.called(Call::LeaveNetwork, &format!("{full_name} {network}"))?;
        let container = world.containers.get_mut(full_name).ok_or(EngineError::Missing)?;
        if container.joined.get(network).is_some_and(|name| name == known_as) {
            container.joined.remove(network);
            container.networks.remove(network);
        }
        Ok(())
    }

    async fn remove_network(&self, installation: InstallationId, name: &str) -> Result<(), EngineError> {
        let mut world = self.world();
        world.called(Call::RemoveNetwork, name)?;
        let is_in_it = |it: &FakeContainer| it.network == name && it.state == ContainerState::Running;
        if world.networks.get(name) == Some(&installation) {
            if world.containers.values().any(is_in_it) {
                return Err(EngineError::Conflict(format!("the network {name} has active endpoints")));
            }
            world.networks.remove(name);
            world.network_ids.remove(name);
        }
        Ok(())
    }

    async fn open_passage(
        &self,
        _installation: InstallationId,
        passage: &Passage,
        to: &str,
        known_as: &str,
    ) -> Result<(), EngineError> {
        let mut world = self.world();
        world.called(Call::OpenPassage, &format!("{to} {}", passage.name))?;
        world.passages.insert(passage.name.clone(), passage.operation);
        let container = world.containers.get_mut(to).ok_or(EngineError::Missing)?;
        container.joined.insert(passage.name.clone(), known_as.to_owned());
        Ok(())
    }

    async fn passages(&self, _installation: InstallationId) -> Result<Vec<Passage>, EngineError> {
        let mut world = self.world();
        world.called(Call::Passages, "")?;
        let passage = |(name, operation): (&String, &_)| Passage { name: name.clone(), operation: *operation };
        Ok(world.passages.iter().map(passage).collect())
    }

    async fn close_passage(&self, name: &str) -> Result<(), EngineError> {
        let mut world = self.world();
        world.called(Call::ClosePassage, name)?;
        world.containers.values_mut().for_each(|container| drop(container.joined.remove(name)));
        world.passages.remove(name);
        Ok(())
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
        {
            let mut world = self.world();
            world.called(Call::RemoveContainer, full_name)?;
            if !world.leaving.insert(full_name.to_owned()) {
                return Err(EngineError::Conflict(format!("removal of {full_name} is already in progress")));
            }
        }
        // It takes a moment, in which others come along.
        for _ in 0..REMOVAL_YIELDS {
            tokio::task::yield_now().await;
        }
        let removed = {
            let mut world = self.world();
            world.leaving.remove(full_name);
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
        self.world().called(Call::RemoveVolume, full_name)?;
        // It does not end before this does.
        let _ = self.removes.subscribe().wait_for(|removes| *removes).await;
        self.world().remove_volume(full_name)
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
        running: container.state == ContainerState::Running || world.listed_running.contains(full_name),
        networks: container.joined.keys().chain([&container.network]).cloned().collect(),
        operation: container.stream.as_ref().map(|stream| stream.operation),
    });
    let volumes = world.volumes.iter().map(|(full_name, owner)| Found {
        kind: ObjectKind::Volume,
        full_name: full_name.clone(),
        owner: owner.clone(),
        running: false,
        networks: BTreeSet::new(),
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
