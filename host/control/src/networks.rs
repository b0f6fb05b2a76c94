//! Networks that apps' own containers are in. An addon's containers join that of its app, and the app reaches them there by names
//! and at their own ports, in the place of the address at which an engine publishes them.

use std::collections::BTreeSet;

use larder_domain::config::AddonConfig;
use larder_domain::docker::name_in_networks;
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::EngineError;
use larder_domain::ports::store::AddonFilter;
use larder_domain::{AddonId, AddonSpec, AppName, EngineName, NetworkName, ProvisionType};

use crate::{Code, Control, ControlError};

/// How many addons are looked at in one go.
const BATCH_ADDONS: usize = 256;

/// A port of an addon's container, as its app reaches it and as this host does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The container's name in the app's network.
    pub name: String,
    /// The port in the container.
    pub port: u16,
    /// The name or address by which the engine's machine is reached.
    pub host: String,
    /// The port there.
    pub published: u16,
}

/// By what an addon is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reached {
    /// What its provider gives its app; none before it is provisioned.
    pub config: Option<AddonConfig>,
    /// The ports of its containers, or of those of the server that it is a part of.
    pub places: Vec<Place>,
}

impl Control {
    /// The network that an app's own containers are in; none if it has none.
    ///
    /// # Errors
    /// `unknown_app`.
    pub async fn app_network(&self, app: &AppName) -> Result<Option<NetworkName>, ControlError> {
        self.app(app).await?;
        Ok(self.store.app_network(app).await?)
    }

    /// Says which network an app's own containers are in. The containers of its addons join it, those that are there and those that
    /// come, and the app's variables tell how they are reached in it: of an addon on which something is under way, when that has ended.
    ///
    /// # Errors
    /// `unknown_app`; `network_unfit` if an engine lacks it on which addons of the app are (or all do, if none is), or containers of
    /// addons must not be in it; `engine_unavailable` if such an engine can't be asked.
    pub async fn set_app_network(&self, app: &AppName, network: Option<NetworkName>) -> Result<(), ControlError> {
        self.app(app).await?;
        if let Some(network) = &network {
            self.check_network(app, network).await?;
        }
        self.store.set_app_network(app, network).await?;
        Ok(())
    }

    /// That the network is where the app's addons are, or may be, and that containers of addons may be in it.
    async fn check_network(&self, app: &AppName, network: &NetworkName) -> Result<(), ControlError> {
        let unfit = |message: String| ControlError::refused(Code::NetworkUnfit, message);
        let used = self.engines_of(app).await?;
        let (mut has, mut lacks, mut silent) = (0, vec![], None);
        for engine in self.engines.all().iter().filter(|it| used.is_empty() || used.contains(&it.settings.name)) {
            match engine.ask(engine.engine.has_network(network)).await {
                Ok(true) => has += 1,
                Ok(false) => lacks.push(format!("`{}`", engine.settings.name)),
                Err(EngineError::Refused(why)) => return Err(unfit(why)),
                Err(error) => silent = Some(format!("the engine `{}` can't be asked: {error}", engine.settings.name)),
            }
        }
        match silent {
            // Addons may come to the engine that has it.
            _ if used.is_empty() && has > 0 => Ok(()),
            Some(silent) => Err(ControlError::refused(Code::EngineUnavailable, silent)),
            None if has > 0 && lacks.is_empty() => Ok(()),
            None if lacks.is_empty() => {
                Err(unfit("this host has no engine on which there could be a network".to_owned()))
            }
            None => Err(unfit(format!("there is no network {network} on the engine {}", lacks.join(", ")))),
        }
    }

    /// The engines that an app's addons are on.
    async fn engines_of(&self, app: &AppName) -> Result<BTreeSet<EngineName>, ControlError> {
        let mut engines = BTreeSet::new();
        let mut filter = AddonFilter { app: Some(app.clone()), count_max: BATCH_ADDONS, ..AddonFilter::default() };
        loop {
            let batch = self.store.addons(filter.clone()).await?;
            let Some(last) = batch.last() else { return Ok(engines) };
            filter.after = Some(last.spec.id);
            engines.extend(batch.into_iter().filter_map(|record| record.engine));
        }
    }

    /// Where an addon's app is to connect to reach what this host reaches at a host and a port.
    pub(crate) async fn for_app(
        &self,
        spec: &AddonSpec,
        engine: Option<&EngineName>,
        (host, port): (&str, u16),
    ) -> Result<(String, u16), StoreError> {
        let outside = (host.to_owned(), port);
        let Some(app) = &spec.app else { return Ok(outside) };
        if self.store.app_network(app).await?.is_none() {
            return Ok(outside);
        }
        let mut places = self.places_of(spec, engine).await?.into_iter();
        let place = places.find(|place| place.host == host && place.published == port);
        Ok(place.map_or(outside, |place| (place.name, place.port)))
    }

    /// Where an addon is reached: each port of its containers, or of those of the server that it or its owner is a part of, in an app's
    /// network and from outside.
    pub(crate) async fn places_of(
        &self,
        spec: &AddonSpec,
        engine: Option<&EngineName>,
    ) -> Result<Vec<Place>, StoreError> {
        let Some(Ok(engine)) = engine.map(|name| self.engines.get(name)) else { return Ok(vec![]) };
        let mut places = vec![];
        for addon in [Some(spec.id), spec.parent, self.owners_server(spec).await?].into_iter().flatten() {
            for (object, ports) in self.store.published(addon).await? {
                let name = name_in_networks(addon, &object);
                places.extend(engine.published(&ports).into_iter().map(|published| Place {
                    name: name.clone(),
                    port: published.port,
                    host: published.host,
                    published: published.published,
                }));
            }
        }
        Ok(places)
    }

    /// The common server that the owner of what an addon shares is a part of.
    async fn owners_server(&self, spec: &AddonSpec) -> Result<Option<AddonId>, StoreError> {
        match (spec.provision_type, spec.parent) {
            (ProvisionType::Shared, Some(owner)) => {
                Ok(self.store.addon(owner).await?.and_then(|owner| owner.spec.parent))
            }
            _ => Ok(None),
        }
    }
}
