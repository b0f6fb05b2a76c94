//! The engines of this host by name, and which of them an addon may be on.

mod adding;
mod known;

use std::sync::Arc;

use larder_domain::engines::{Candidate, EngineWish, Placement};
use larder_domain::manifest::Plan;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::ReachedEngine;
use larder_domain::{AddonRecord, AppName, EngineName};

use crate::containers::NamedEngine;
use crate::{Code, Control, ControlError, Offer};

pub use known::EngineMaker;
pub(crate) use known::Engines;

/// Why there is no engine for an addon's objects. Worth another try: an operator can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoEngine {
    /// There is none at all.
    #[error("this host has no Docker engine")]
    None,
    /// That of the addon is reached by other nodes.
    #[error("the engine `{0}` is another node's, which goes on with it")]
    Elsewhere(EngineName),
    /// That of the addon is not among them.
    #[error(
        "the engine `{0}` is not configured any more; name it among the engines of `larder serve` again, or add it with `larder engine add`"
    )]
    Unknown(EngineName),
    /// Those that fit take no new addons.
    #[error("the engine `{0}` is drained: no new addons come to it; `larder engine resume {0}` ends that")]
    Drained(EngineName),
    /// None fits what is wished for.
    #[error("no engine fits the wish for {0}; `larder engine list` shows them and their labels")]
    Unfit(String),
}

/// The engines that fit a plan and somebody's wish. What a plan needs holds whatever is wished.
fn placement(
    engines: &[ReachedEngine],
    drained: &[EngineName],
    plan: Option<&EngineWish>,
    wish: Option<&EngineWish>,
) -> Result<Placement, NoEngine> {
    let wishes: Vec<&EngineWish> = plan.into_iter().chain(wish).collect();
    let fits = |engine: &&ReachedEngine| wishes.iter().all(|wish| wish.fits(&engine.name, &engine.labels));
    let fitting: Vec<&ReachedEngine> = engines.iter().filter(fits).collect();
    let open = fitting.iter().filter(|engine| !drained.contains(&engine.name));
    let candidate = |engine: &&ReachedEngine| {
        let ReachedEngine { name, weight, is_added, .. } = *engine;
        Candidate { name: name.clone(), weight: *weight, is_added: *is_added }
    };
    let candidates: Vec<Candidate> = open.map(candidate).collect();
    match (candidates.is_empty(), fitting.first()) {
        (false, _) => Ok(Placement { candidates, is_wished: wish.is_some() }),
        (true, Some(drained)) => Err(NoEngine::Drained(drained.name.clone())),
        (true, None) if wishes.is_empty() => Err(NoEngine::None),
        (true, None) => {
            let wishes: Vec<String> = wishes.iter().map(|wish| format!("`{wish}`")).collect();
            Err(NoEngine::Unfit(wishes.join(" and ")))
        }
    }
}

impl Control {
    /// Where a new addon may be; none if its provider makes nothing on engines, or there are none yet.
    pub(crate) async fn placement(
        &self,
        offer: &Offer,
        plan: &Plan,
        app: &AppName,
        wish: Option<&EngineWish>,
    ) -> Result<Option<Placement>, ControlError> {
        if offer.docker.is_empty() {
            return match wish {
                None => Ok(None),
                Some(_) => Err(unfit(format!("the provider {} makes nothing on an engine", offer.provider))),
            };
        }
        let of_app = self.store.app_engine(app).await?;
        let (engines, drained) = self.all_engines().await?;
        match placement(&engines, &drained, plan.engine.as_ref(), wish.or(of_app.as_ref())) {
            Ok(placement) => Ok(Some(placement)),
            // It waits until there is one, as it would for one that does not answer.
            Err(NoEngine::None) => Ok(None),
            Err(error) => Err(unfit(error.to_string())),
        }
    }

    /// That an engine fits a wish.
    pub(crate) async fn check_wish(&self, wish: &EngineWish) -> Result<(), ControlError> {
        let (engines, drained) = self.all_engines().await?;
        placement(&engines, &drained, None, Some(wish)).map(drop).map_err(|error| unfit(error.to_string()))
    }

    /// The engines that this node reaches and that others do, and those of them to which no new addons come.
    async fn all_engines(&self) -> Result<(Vec<ReachedEngine>, Vec<EngineName>), StoreError> {
        let mut engines = self.engines.reached();
        let others = self.store.engines_of_others().await?;
        engines.extend(others.into_iter().filter(|other| self.engines.get(&other.name).is_err()));
        Ok((engines, self.store.drained_engines().await?))
    }

    /// This node's engine of that name, or why it has none.
    async fn own_engine(&self, name: &EngineName) -> Result<Result<Arc<NamedEngine>, NoEngine>, StoreError> {
        let engine = self.engines.get(name);
        if engine.is_err() && self.is_elsewhere(name).await? {
            return Ok(Err(NoEngine::Elsewhere(name.clone())));
        }
        Ok(engine)
    }

    /// Whether another living node reaches an engine of that name.
    pub(crate) async fn is_elsewhere(&self, name: &EngineName) -> Result<bool, StoreError> {
        Ok(self.store.engines_of_others().await?.iter().any(|other| other.name == *name))
    }

    /// The engine of an addon that is to have objects. One that is on none yet, since its provider had no need of one or there was
    /// none, gets one now.
    pub(crate) async fn engine_of(
        &self,
        record: &AddonRecord,
    ) -> Result<Result<Arc<NamedEngine>, NoEngine>, StoreError> {
        if let Some(name) = &record.engine {
            return self.own_engine(name).await;
        }
        let offers = self.offers.get(&*self.store).await?;
        let spec = &record.spec;
        let service = offers.0.get(&spec.provider).and_then(|offer| offer.manifest.service(&spec.service));
        let of_plan = service.and_then(|service| service.plan(Some(&spec.plan))).and_then(|plan| plan.engine.clone());
        let of_app = match &spec.app {
            Some(app) => self.store.app_engine(app).await?,
            None => None,
        };
        let (engines, drained) = self.all_engines().await?;
        let placement = match placement(&engines, &drained, of_plan.as_ref(), of_app.as_ref()) {
            Ok(placement) => placement,
            Err(error) => return Ok(Err(error)),
        };
        match self.store.pin_engine(spec.id, &placement).await? {
            Some(name) => self.own_engine(&name).await,
            None => Ok(Err(NoEngine::None)),
        }
    }
}

/// A wish that can't be fulfilled.
pub(crate) fn unfit(message: String) -> ControlError {
    ControlError::refused(Code::EngineUnfit, message)
}
