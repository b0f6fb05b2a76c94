//! The engine that the port speaks of: each function in its bounds, over a session of its own.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bollard::ClientVersion;
use larder_domain::NetworkName;
use larder_domain::docker::Image;
use larder_domain::ids::{AddonId, InstallationId};
use larder_domain::ports::engine::{
    Attached, ContainerState, Engine, EngineError, EngineEvents, EngineInfo, Exec, ExecOutput, Found, NewContainer,
    Owner, Passage,
};

use crate::bounds::Bounds;
use crate::endpoint::{BadEndpoint, Endpoint};
use crate::error::{Trouble, line, within};
use crate::registries::Registries;
use crate::tls::Tls;
use crate::wire::Session;
use crate::{attach, create, events, exec, images, join, network, objects, passage, version};

/// The longest name of an object, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A Docker engine behind a socket.
#[derive(Debug)]
pub struct DockerEngine {
    endpoint: Endpoint,
    registries: Registries,
    bounds: Bounds,
    /// The version that was agreed on. Forgotten when something goes wrong, for the engine may be another by then.
    version: Mutex<Option<ClientVersion>>,
}

impl DockerEngine {
    /// The engine at `unix:///path` or `tcp://host:port`. Nothing is connected yet: that there is none shows in calls.
    ///
    /// # Errors
    /// The text is no such place.
    pub fn connect(endpoint: &str) -> Result<Self, BadEndpoint> {
        let (endpoint, registries) = (endpoint.parse()?, Registries::default());
        Ok(Self { endpoint, registries, bounds: Bounds::default(), version: Mutex::new(None) })
    }

    /// The same, with TLS if it is at a `tcp://host:port`.
    #[must_use]
    pub fn secured(self, tls: Tls) -> Self {
        Self { endpoint: self.endpoint.secured(tls), ..self }
    }

    /// The same, with these logins for what it pulls.
    #[must_use]
    pub fn with_registries(self, registries: Registries) -> Self {
        Self { registries, ..self }
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        self.endpoint.is_local()
    }

    /// Whether it is spoken to in the clear over a network.
    pub fn is_exposed(&self) -> bool {
        !self.is_local() && !matches!(self.endpoint, Endpoint::Tls(..))
    }

    /// The name or address of the machine that it is on; none for a socket in the file system.
    pub fn host(&self) -> Option<&str> {
        self.endpoint.authority()
    }

    #[cfg(test)]
    pub(crate) fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// A session in the version that both speak. The first one asks for it.
    async fn session(&self, bytes_max: u64) -> Result<Session, EngineError> {
        let known = *self.version.lock().unwrap_or_else(PoisonError::into_inner);
        let version = match known {
            Some(version) => version,
            None => within(self.bounds.look, self.ask_version()).await?.1,
        };
        Ok(Session::new(&self.endpoint, Some(version), bytes_max).map_err(Trouble::from)?)
    }

    async fn ask_version(&self) -> Result<(bollard::models::SystemVersion, ClientVersion), EngineError> {
        let session = Session::new(&self.endpoint, None, self.bounds.answer_bytes).map_err(Trouble::from)?;
        let said = session.docker.version().await.map_err(Trouble::from)?;
        let version = version::common(&said)?;
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        Ok((said, version))
    }

    /// One function of the port, within its time.
    async fn call<T, W>(&self, time: Duration, bytes: u64, work: impl FnOnce(Session) -> W) -> Result<T, EngineError>
    where
        W: Future<Output = Result<T, Trouble>>,
    {
        let result = within(time, async { work(self.session(bytes).await?).await }).await;
        self.learn(&result);
        result
    }

    fn learn<T>(&self, result: &Result<T, EngineError>) {
        use EngineError::{Failed, Refused, Unreachable};
        if matches!(result, Err(Unreachable(_) | Failed(_) | Refused(_))) {
            *self.version.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    async fn look<T, W>(&self, work: impl FnOnce(Session) -> W) -> Result<T, EngineError>
    where
        W: Future<Output = Result<T, Trouble>>,
    {
        self.call(self.bounds.look, self.bounds.answer_bytes, work).await
    }

    async fn change<T, W>(&self, work: impl FnOnce(Session) -> W) -> Result<T, EngineError>
    where
        W: Future<Output = Result<T, Trouble>>,
    {
        self.call(self.bounds.change, self.bounds.answer_bytes, work).await
    }
}

/// A name becomes part of a path, so it must not be able to lead anywhere else.
pub(crate) fn check_name(name: &str) -> Result<(), EngineError> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let begins_well = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if begins_well && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_fine) {
        Ok(())
    } else {
        Err(EngineError::Refused(format!("{:?} is no name of an object", line(name))))
    }
}

#[async_trait]
impl Engine for DockerEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        // Asked anew each time, since it is what is shown.
        let asked = within(self.bounds.look, self.ask_version()).await;
        self.learn(&asked);
        let (said, _) = asked?;
        let info = self.look(|session| async move { Ok(session.docker.info().await?) }).await?;
        Ok(EngineInfo {
            version: line(&said.version.unwrap_or_default()),
            api_version: line(&said.api_version.unwrap_or_default()),
            storage_driver: line(&info.driver.unwrap_or_default()),
            limits_memory: info.memory_limit.unwrap_or_default(),
        })
    }

    async fn has_image(&self, image: &Image) -> Result<bool, EngineError> {
        self.look(|session| images::has(session, image)).await
    }

    async fn pull(&self, image: &Image, at_most: Duration) -> Result<(), EngineError> {
        let result = tokio::time::timeout(at_most, async {
            let session = self.session(self.bounds.item_bytes).await?.presenting(self.registries.header(image));
            images::pull(session, image).await.map_err(Trouble::general)
        });
        let slow = || EngineError::Failed(format!("the image was not pulled within {} s", at_most.as_secs_f32()));
        let result = result.await.unwrap_or_else(|_| Err(slow()));
        self.learn(&result);
        result
    }

    async fn ensure_network(&self, installation: InstallationId, name: &str) -> Result<(), EngineError> {
        check_name(name)?;
        let (time, bytes) = (self.bounds.change, self.bounds.list_bytes);
        self.call(time, bytes, |session| network::ensure(session, installation, name)).await
    }

    async fn has_network(&self, name: &NetworkName) -> Result<bool, EngineError> {
        self.look(|session| join::is_fit(session, name)).await
    }

    async fn join_network(&self, full_name: &str, network: &NetworkName, known_as: &str) -> Result<(), EngineError> {
        check_name(full_name)?;
        self.change(|session| join::join(session, full_name, network, known_as)).await
    }

    async fn leave_network(&self, full_name: &str, network: &str, known_as: &str) -> Result<(), EngineError> {
        check_name(full_name)?;
        check_name(network)?;
        self.change(|session| join::leave(session, full_name, network, known_as)).await
    }

    async fn remove_network(&self, installation: InstallationId, name: &str) -> Result<(), EngineError> {
        check_name(name)?;
        let (time, bytes) = (self.bounds.change, self.bounds.list_bytes);
        self.call(time, bytes, |session| network::remove(session, installation, name)).await
    }

    async fn open_passage(
        &self,
        installation: InstallationId,
        passage: &Passage,
        to: &str,
        known_as: &str,
    ) -> Result<(), EngineError> {
        check_name(&passage.name)?;
        check_name(to)?;
        self.change(|session| passage::open(session, installation, passage, to, known_as)).await
    }

    async fn passages(&self, installation: InstallationId) -> Result<Vec<Passage>, EngineError> {
        self.call(self.bounds.look, self.bounds.list_bytes, |session| passage::list(session, installation)).await
    }

    async fn close_passage(&self, name: &str) -> Result<(), EngineError> {
        check_name(name)?;
        self.call(self.bounds.change, self.bounds.list_bytes, |session| passage::close(session, name)).await
    }

    async fn objects(&self, installation: InstallationId, addon: Option<AddonId>) -> Result<Vec<Found>, EngineError> {
        let (time, bytes, count) = (self.bounds.look, self.bounds.list_bytes, self.bounds.objects);
        self.call(time, bytes, |session| objects::list(session, installation, addon, count)).await
    }

    async fn create_volume(&self, full_name: &str, owner: &Owner) -> Result<(), EngineError> {
        check_name(full_name)?;
        self.change(|session| create::volume(session, full_name, owner)).await
    }

    async fn create_container(&self, container: NewContainer<'_>) -> Result<(), EngineError> {
        check_name(&container.full_name)?;
        self.change(|session| create::container(session, &container)).await
    }

    async fn start(&self, full_name: &str) -> Result<(), EngineError> {
        check_name(full_name)?;
        self.change(|session| objects::start(session, full_name)).await
    }

    async fn state(&self, full_name: &str) -> Result<Option<ContainerState>, EngineError> {
        check_name(full_name)?;
        self.look(|session| objects::state(session, full_name)).await
    }

    async fn last_words(&self, full_name: &str, lines_max: usize, bytes_max: usize) -> Result<String, EngineError> {
        check_name(full_name)?;
        let (time, bytes) = (self.bounds.look, self.bounds.item_bytes);
        self.call(time, bytes, |session| objects::last_words(session, full_name, lines_max, bytes_max)).await
    }

    async fn stop_container(&self, full_name: &str, stop: Duration) -> Result<(), EngineError> {
        check_name(full_name)?;
        let (time, bytes) = (self.bounds.change.saturating_add(stop), self.bounds.answer_bytes);
        self.call(time, bytes, |session| objects::stop_container(session, full_name, stop)).await
    }

    async fn remove_container(&self, full_name: &str, stop: Duration) -> Result<(), EngineError> {
        check_name(full_name)?;
        let (time, bytes) = (self.bounds.change.saturating_add(stop), self.bounds.answer_bytes);
        self.call(time, bytes, |session| objects::remove_container(session, full_name, stop)).await
    }

    async fn remove_volume(&self, full_name: &str) -> Result<(), EngineError> {
        check_name(full_name)?;
        self.change(|session| objects::remove_volume(session, full_name)).await
    }

    async fn exec(&self, full_name: &str, exec: Exec) -> Result<ExecOutput, EngineError> {
        check_name(full_name)?;
        let wall = exec.wall;
        let result = tokio::time::timeout(wall, async {
            // Whether the engine answers at all is found out sooner than how long the command takes.
            let session = self.session(self.bounds.item_bytes).await?;
            let created = exec::create(&session, full_name, &exec);
            let id = within(self.bounds.look, created).await?;
            exec::run(&session, &id, &exec).await.map_err(Trouble::general)
        });
        let slow = || EngineError::Failed(format!("the command did not end within {} s", wall.as_secs_f32()));
        let result = result.await.unwrap_or_else(|_| Err(slow()));
        self.learn(&result);
        result
    }

    async fn attach(&self, full_name: &str, has_input: bool) -> Result<Box<dyn Attached>, EngineError> {
        check_name(full_name)?;
        let (time, bytes) = (self.bounds.look, self.bounds.item_bytes);
        let streams = self.call(time, bytes, |session| attach::open(session, full_name, has_input)).await?;
        Ok(Box::new(streams))
    }

    async fn events(&self, installation: InstallationId) -> Result<Box<dyn EngineEvents>, EngineError> {
        let bounds = self.bounds;
        let (time, bytes, endpoint) = (bounds.look, bounds.item_bytes, self.endpoint.clone());
        let opened = self.call(time, bytes, |session| events::open(session, installation, endpoint, bounds)).await?;
        Ok(Box::new(opened))
    }
}

/// The filters of a list, as the API wants them.
pub(crate) fn filters<const N: usize>(filters: [(&str, Vec<String>); N]) -> HashMap<String, Vec<String>> {
    filters.into_iter().map(|(name, values)| (name.to_owned(), values)).collect()
}
