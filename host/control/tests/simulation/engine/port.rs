//! The functions of the port, each one that changes something as a value, and each question as it is.

use std::time::Duration;

use async_trait::async_trait;
use larder_domain::docker::Image;
use larder_domain::ids::{AddonId, InstallationId};
use larder_domain::names::NetworkName;
use larder_domain::ports::engine::{
    Attached, ContainerState, Engine, EngineError, EngineEvents, EngineInfo, Exec, ExecOutput, Found, NewContainer,
    Owner, Passage,
};

use super::ShakyEngine;
use super::events::ShakyEvents;
use super::work::{EngineWork, OwnContainer};

#[async_trait]
impl Engine for ShakyEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.asks(self.world.engine.info()).await
    }

    async fn has_image(&self, image: &Image) -> Result<bool, EngineError> {
        self.asks(self.world.engine.has_image(image)).await
    }

    async fn pull(&self, image: &Image, at_most: Duration) -> Result<(), EngineError> {
        self.asks(self.world.engine.pull(image, at_most)).await
    }

    async fn ensure_network(&self, installation: InstallationId, name: &str) -> Result<(), EngineError> {
        self.asks(self.world.engine.ensure_network(installation, name)).await
    }

    async fn remove_network(&self, installation: InstallationId, name: &str) -> Result<(), EngineError> {
        self.asks(Engine::remove_network(&*self.world.engine, installation, name)).await
    }

    async fn has_network(&self, name: &NetworkName) -> Result<bool, EngineError> {
        self.asks(self.world.engine.has_network(name)).await
    }

    async fn join_network(&self, full_name: &str, network: &NetworkName, known_as: &str) -> Result<(), EngineError> {
        self.asks(self.world.engine.join_network(full_name, network, known_as)).await
    }

    async fn leave_network(&self, full_name: &str, network: &str, known_as: &str) -> Result<(), EngineError> {
        self.asks(self.world.engine.leave_network(full_name, network, known_as)).await
    }

    async fn open_passage(
        &self,
        installation: InstallationId,
        passage: &Passage,
        to: &str,
        known_as: &str,
    ) -> Result<(), EngineError> {
        self.asks(self.world.engine.open_passage(installation, passage, to, known_as)).await
    }

    async fn passages(&self, installation: InstallationId) -> Result<Vec<Passage>, EngineError> {
        self.asks(self.world.engine.passages(installation)).await
    }

    async fn close_passage(&self, name: &str) -> Result<(), EngineError> {
        self.asks(self.world.engine.close_passage(name)).await
    }

    async fn objects(&self, installation: InstallationId, addon: Option<AddonId>) -> Result<Vec<Found>, EngineError> {
        self.asks(self.world.engine.objects(installation, addon)).await
    }

    async fn create_volume(&self, full_name: &str, owner: &Owner) -> Result<(), EngineError> {
        self.does(EngineWork::CreateVolume(full_name.to_owned(), owner.clone())).await
    }

    async fn create_container(&self, container: NewContainer<'_>) -> Result<(), EngineError> {
        self.does(EngineWork::CreateContainer(Box::new(OwnContainer::of(container)))).await
    }

    async fn start(&self, full_name: &str) -> Result<(), EngineError> {
        self.does(EngineWork::Start(full_name.to_owned())).await
    }

    async fn state(&self, full_name: &str) -> Result<Option<ContainerState>, EngineError> {
        self.asks(self.world.engine.state(full_name)).await
    }

    async fn last_words(&self, full_name: &str, lines_max: usize, bytes_max: usize) -> Result<String, EngineError> {
        self.asks(self.world.engine.last_words(full_name, lines_max, bytes_max)).await
    }

    async fn stop_container(&self, full_name: &str, _stop: Duration) -> Result<(), EngineError> {
        self.does(EngineWork::Stop(full_name.to_owned())).await
    }

    async fn remove_container(&self, full_name: &str, _stop: Duration) -> Result<(), EngineError> {
        self.does(EngineWork::RemoveContainer(full_name.to_owned())).await
    }

    async fn remove_volume(&self, full_name: &str) -> Result<(), EngineError> {
        self.does(EngineWork::RemoveVolume(full_name.to_owned())).await
    }

    async fn exec(&self, full_name: &str, exec: Exec) -> Result<ExecOutput, EngineError> {
        self.asks(self.world.engine.exec(full_name, exec)).await
    }

    async fn attach(&self, full_name: &str, has_input: bool) -> Result<Box<dyn Attached>, EngineError> {
        self.asks(self.world.engine.attach(full_name, has_input)).await
    }

    async fn events(&self, installation: InstallationId) -> Result<Box<dyn EngineEvents>, EngineError> {
        let inner = self.asks(self.world.engine.events(installation)).await?;
        Ok(Box::new(ShakyEvents { inner, world: self.world.clone(), held: None }))
    }
}
