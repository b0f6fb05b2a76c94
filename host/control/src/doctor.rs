//! What is wrong with the engines, and what on them is nobody's.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use larder_domain::ports::engine::{EngineError, EngineInfo, Found};
use larder_domain::ports::store::{Inhabited, ReachedEngine};
use larder_domain::{AddonId, EngineName};

use crate::containers::NamedEngine;
use crate::whose::Strays;
use crate::{Code, Control, ControlError, EngineSettings};

/// How an engine is doing.
#[derive(Debug, Clone)]
pub struct EngineReport {
    /// Its name.
    pub name: EngineName,
    /// How many addons are on it.
    pub addons: u64,
    /// Whether no new addons come to it.
    pub is_drained: bool,
    /// Where it comes from; none if nobody names it any more.
    pub source: Option<EngineSource>,
    /// The rest.
    pub state: EngineState,
}

/// Where an engine comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineSource {
    /// A node is started with it.
    File,
    /// It was added while servers ran.
    Added,
}

impl EngineSource {
    const fn of(is_added: bool) -> Self {
        if is_added { Self::Added } else { Self::File }
    }
}

/// What is known of an engine.
#[derive(Debug, Clone)]
pub enum EngineState {
    /// It answers.
    Reachable {
        /// How it is used.
        settings: Box<EngineSettings>,
        /// What it says of itself.
        info: EngineInfo,
        /// Objects with this installation's labels that its store has never wanted.
        unknown: Vec<Found>,
    },
    /// It does not answer, or not well.
    Unreachable {
        /// How it is used.
        settings: Box<EngineSettings>,
        /// What went wrong.
        error: EngineError,
    },
    /// Other nodes reach it, and this one does not.
    Elsewhere(Box<ReachedEngine>),
    /// Addons are on it or it was added, and it is not among the engines of any node that lives.
    Unconfigured,
}

/// What came of removing what is nobody's.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    /// The full names of what was removed.
    pub removed: Vec<String>,
    /// Engines on which not all of it could be removed.
    pub failed: Vec<(EngineName, EngineError)>,
}

impl Control {
    /// How the engines are doing: those that are configured, and those that addons are on. They are asked all at once.
    ///
    /// # Errors
    /// The store failed.
    pub async fn engine_reports(&self) -> Result<Vec<EngineReport>, ControlError> {
        let own = self.engines.all();
        let looked = join_all(own.iter().map(|engine| self.state_of(engine))).await;
        let mut known = vec![];
        for (engine, state) in own.iter().zip(looked) {
            known.push((engine.settings.name.clone(), Some(EngineSource::of(engine.is_added())), state?));
        }
        for other in self.store.engines_of_others().await? {
            if !own.iter().any(|engine| engine.settings.name == other.name) {
                let source = Some(EngineSource::of(other.is_added));
                known.push((other.name.clone(), source, EngineState::Elsewhere(Box::new(other))));
            }
        }
        let (added, addons) = (self.store.added_engines().await?.1, self.store.engine_addons().await?);
        let added = added.into_iter().map(|engine| (engine.name, Some(EngineSource::Added)));
        for (name, source) in added.chain(addons.into_iter().map(|(name, _)| (name, None))) {
            if !known.iter().any(|(there, ..)| *there == name) {
                known.push((name, source, EngineState::Unconfigured));
            }
        }
        self.reports(known).await
    }

    /// How an engine of this node is doing.
    pub(crate) async fn engine_report(&self, name: &EngineName) -> Result<EngineReport, ControlError> {
        let unknown = || ControlError::refused(Code::UnknownEngine, format!("there is no engine `{name}`"));
        let engine = self.engines.get(name).map_err(|_| unknown())?;
        let known = (name.clone(), Some(EngineSource::of(engine.is_added())), self.state_of(&engine).await?);
        self.reports(vec![known]).await?.pop().ok_or_else(unknown)
    }

    /// The same with what the store knows of each.
    async fn reports(
        &self,
        known: Vec<(EngineName, Option<EngineSource>, EngineState)>,
    ) -> Result<Vec<EngineReport>, ControlError> {
        let (addons, drained) = (self.store.engine_addons().await?, self.store.drained_engines().await?);
        let count = |name: &EngineName| addons.iter().find(|(on, _)| on == name).map_or(0, |(_, count)| *count);
        let report = |(name, source, state)| {
            let (addons, is_drained) = (count(&name), drained.contains(&name));
            EngineReport { name, addons, is_drained, source, state }
        };
        Ok(known.into_iter().map(report).collect())
    }

    async fn state_of(&self, engine: &NamedEngine) -> Result<EngineState, ControlError> {
        let settings = Box::new(engine.settings.clone());
        let looked = async { Ok((engine.engine.info().await?, self.found_on(engine).await?)) };
        let looked = looked.await;
        engine.heard(looked.as_ref().err());
        Ok(match looked {
            Ok((info, found)) => EngineState::Reachable { settings, info, unknown: self.nobodys(engine, found).await? },
            Err(error) => EngineState::Unreachable { settings, error },
        })
    }

    /// Removes what carries this installation's labels and was never wanted by its store, on every engine that can be
    /// reached.
    ///
    /// # Errors
    /// `engine_unavailable` if none can.
    pub async fn prune_engines(&self) -> Result<Pruned, ControlError> {
        let (mut pruned, own) = (Pruned::default(), self.engines.all());
        let done = join_all(own.iter().map(|engine| self.prune(engine))).await;
        let count = done.len();
        for (engine, done) in own.iter().zip(done) {
            let (removed, error) = done?;
            pruned.removed.extend(removed);
            pruned.failed.extend(error.map(|error| (engine.settings.name.clone(), error)));
        }
        match pruned.failed.first() {
            None if count == 0 => Err(unavailable("this host has no Docker engine".to_owned())),
            Some((_, error)) if pruned.failed.len() == count && pruned.removed.is_empty() => {
                Err(unavailable(error.to_string()))
            }
            _ => Ok(pruned),
        }
    }

    /// Says whether new addons come to an engine. What is there stays.
    ///
    /// # Errors
    /// `unknown_engine`.
    pub async fn drain_engine(&self, name: &EngineName, drained: bool) -> Result<(), ControlError> {
        let is_known = self.engines.get(name).is_ok()
            || self.is_elsewhere(name).await?
            || self.is_added(name).await?
            || self.store.drained_engines().await?.contains(name);
        if !is_known {
            return Err(ControlError::refused(Code::UnknownEngine, format!("there is no engine `{name}`")));
        }
        Ok(self.store.set_engine_drained(name, drained).await?)
    }

    /// Gives up an engine that was added, or one that will not come back: what deleted addons had there is forgotten, and their cleanup
    /// goes on without it. How many they are. An engine that answers is emptied first.
    ///
    /// # Errors
    /// `unknown_engine`; `engine_in_use` if a node is started with it, or addons are on it that live or can be had back.
    pub async fn forget_engine(&self, name: &EngineName) -> Result<u64, ControlError> {
        let in_use = |why: String| ControlError::refused(Code::EngineInUse, why);
        let is_added = self.is_added(name).await?;
        if self.engines.get(name).is_ok_and(|own| !own.is_added()) {
            return Err(in_use(format!("this host is configured with the engine `{name}`")));
        }
        if !is_added && self.is_elsewhere(name).await? {
            return Err(in_use(format!("another node is configured with the engine `{name}`")));
        }
        let addons = self.store.engine_addons().await?.into_iter().find(|(engine, _)| engine == name);
        if !is_added && addons.is_none() {
            return Err(ControlError::refused(Code::UnknownEngine, format!("there is no engine `{name}`")));
        }
        if let Ok(engine) = self.engines.get(name)
            && let Ok(found) = self.found_on(&engine).await
            && !found.is_empty()
        {
            let addons = addons.map_or(0, |(_, count)| count);
            return Err(in_use(format!(
                "{addons} addons are on the engine `{name}`, and {} containers and volumes: drain it (`larder engine drain {name}`), delete \
                 the addons for good (`larder addon delete --now`), and try again when all is gone; what is nobody's goes with \
                 `larder engine prune`",
                found.len()
            )));
        }
        let forgotten = self.store.forget_engine(name).await?;
        let forgotten = forgotten.map_err(|Inhabited(count)| {
            in_use(format!(
                "{count} addons are on the engine `{name}` that live or can be had back: drain it (`larder engine drain {name}`) and \
                 delete them for good (`larder addon delete --now`) first"
            ))
        })?;
        self.refresh_engines().await?;
        Ok(forgotten)
    }

    async fn is_added(&self, name: &EngineName) -> Result<bool, ControlError> {
        Ok(self.store.added_engines().await?.1.iter().any(|added| added.name == *name))
    }

    /// What was removed from one engine, and what kept it from more: the first of it.
    async fn prune(&self, engine: &Arc<NamedEngine>) -> Result<(Vec<String>, Option<EngineError>), ControlError> {
        let found = match self.found_on(engine).await {
            Ok(found) => found,
            Err(error) => return Ok((vec![], Some(error))),
        };
        let (mut removed, mut kept) = (vec![], None);
        for found in self.nobodys(engine, found).await? {
            match engine.remove(&found).await {
                Ok(()) => removed.push(found.full_name),
                Err(error @ EngineError::Unreachable(_)) => return Ok((removed, Some(error))),
                // The rest may be removed all the same.
                Err(error) => kept = kept.or(Some(error)),
            }
        }
        Ok((removed, kept))
    }

    async fn found_on(&self, engine: &NamedEngine) -> Result<Vec<Found>, EngineError> {
        engine.engine.objects(self.store.installation(), None).await
    }

    /// Those that the store has never wanted, containers first.
    async fn nobodys(&self, engine: &NamedEngine, found: Vec<Found>) -> Result<Vec<Found>, ControlError> {
        let mut by_addon: BTreeMap<AddonId, Vec<Found>> = BTreeMap::new();
        for found in found {
            by_addon.entry(found.owner.addon).or_default().push(found);
        }
        let mut nobodys = vec![];
        for (addon, found) in by_addon {
            nobodys.extend(self.strays(engine, addon, found).await?.nobodys);
        }
        Ok(Strays::in_order(nobodys))
    }
}

fn unavailable(why: String) -> ControlError {
    ControlError::refused(Code::EngineUnavailable, why)
}
