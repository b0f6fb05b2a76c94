//! Engines that are added while servers run. They stand in the store; a node makes what it uses of them at its start and whenever
//! their revision there is another one, and says anew what it reaches.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use larder_domain::engines::EngineDefinition;
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::EngineError;
use larder_domain::ports::store::{AddRefusal, AddedEngine, EngineShared, NewEngine};
use larder_domain::secret::SecretJson;
use larder_domain::{EngineName, InstallationId};
use tokio::time::timeout;

use crate::containers::NamedEngine;
use crate::{Code, Control, ControlError, EngineReport};

/// How long an engine that is to be added has to say what it is.
const ASK_WAIT: Duration = Duration::from_secs(10);

impl Control {
    /// Adds an engine for all nodes that reach it, or changes what is said of one that was added, once it has said what it is. Whether
    /// it is new, and how it is doing.
    ///
    /// # Errors
    /// `invalid_definition`; `engine_unusable` if it does not answer, or is too old; `engine_taken` if its name or url is another
    /// engine's; `engine_in_use` if addons are on it where it was.
    pub async fn add_engine(
        &self,
        name: &EngineName,
        definition: SecretJson,
    ) -> Result<(bool, EngineReport), ControlError> {
        let invalid = |why: String| ControlError::refused(Code::InvalidDefinition, why);
        let said = EngineDefinition::read(&definition).map_err(|error| invalid(error.to_string()))?;
        let Some(maker) = &self.engines.maker else {
            return Err(ControlError::refused(Code::NotSupported, "this host takes no engines while it runs"));
        };
        let made = maker.make(name, &said).map_err(|mistakes| invalid(mistakes.join("; ")))?;
        if self.engines.get(name).is_ok_and(|known| !known.is_added()) {
            let why =
                format!("this node is started with an engine `{name}`: choose another name, or change its options");
            return Err(ControlError::refused(Code::EngineTaken, why));
        }
        let is_inhabited = check(&made, self.store.installation()).await?;
        let new = NewEngine { name: name.clone(), url: said.url, definition, is_inhabited };
        let is_new = self.store.add_engine(new).await?.map_err(refused)?;
        self.refresh_engines().await?;
        Ok((is_new, self.engine_report(name).await?))
    }

    /// Makes the engines of this node what they are to be, and says which it reaches.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn refresh_engines(&self) -> Result<(), StoreError> {
        let mut read = self.engines.read.lock().await;
        if *read == Some(self.store.engines_revision().await?) {
            return Ok(());
        }
        let (revision, added) = self.store.added_engines().await?;
        let before = self.engines.all();
        let mut engines: Vec<_> = before.iter().filter(|engine| !engine.is_added()).cloned().collect();
        for added in added.into_iter().filter(|added| added.is_own) {
            if engines.iter().any(|own| own.settings.name == added.name) {
                tracing::warn!(engine = %added.name, "the engine that was added is not used here, since this node is started with another one of its name");
                continue;
            }
            let before = before.iter().find(|before| before.is_added() && before.settings.name == added.name);
            engines.extend(self.made_of(added, before));
        }
        let is_same =
            before.len() == engines.len() && before.iter().zip(&engines).all(|(one, other)| Arc::ptr_eq(one, other));
        if !is_same {
            self.engines.replace(engines);
        }
        let url = self.engines.url.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(url) = url
            && let Err(shared) = self.store.announce(url, self.engines.reached()).await?
        {
            tracing::warn!(%shared, "the other nodes are not told which engines this one reaches");
        }
        *read = Some(revision);
        Ok(())
    }

    /// What is used of an engine that was added: what there is of it already, if nothing else is said of it.
    fn made_of(&self, added: AddedEngine, before: Option<&Arc<NamedEngine>>) -> Option<Arc<NamedEngine>> {
        let AddedEngine { name, definition, .. } = added;
        let Some(definition) = definition else {
            tracing::error!(engine = %name, "what was said of the engine can't be read any more, so it is not used; add it again");
            return None;
        };
        if let Some(before) = before.filter(|before| before.definition.as_ref() == Some(&definition)) {
            return Some(Arc::clone(before));
        }
        let said = EngineDefinition::read(&definition).map_err(|error| vec![error.to_string()]);
        let maker = self.engines.maker.as_ref()?;
        match said.and_then(|said| maker.make(&name, &said)) {
            Ok(made) => Some(Arc::new(made.defined_by(definition).in_the_place_of(before.map(|before| &**before)))),
            Err(mistakes) => {
                let why = mistakes.join("; ");
                tracing::warn!(engine = %name, why, "the engine that was added can't be used here; add it again");
                None
            }
        }
    }

    /// Says where this node listens, and which engines it reaches. From now on it takes part.
    ///
    /// # Errors
    /// `engine_unfit` if another node has an engine of the same name that only one machine reaches, or one of the name was added.
    pub async fn announce(&self, url: String) -> Result<(), ControlError> {
        self.refresh_engines().await?;
        *self.engines.url.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.clone());
        let announced = self.store.announce(url, self.engines.reached()).await?;
        announced.map_err(|shared: EngineShared| ControlError::refused(Code::EngineUnfit, shared.to_string()))
    }
}

/// That an engine is there, and new enough: whether it has something of this installation's.
async fn check(made: &NamedEngine, installation: InstallationId) -> Result<bool, ControlError> {
    let asked = async {
        made.engine.info().await?;
        Ok(!made.engine.objects(installation, None).await?.is_empty())
    };
    let said = timeout(ASK_WAIT, asked).await;
    let silent = || Err(EngineError::Unreachable(format!("it said nothing for {} s", ASK_WAIT.as_secs())));
    let (name, url) = (&made.settings.name, &made.settings.url);
    let why = match said.unwrap_or_else(|_| silent()) {
        Ok(is_inhabited) => return Ok(is_inhabited),
        Err(EngineError::Unreachable(why)) => format!(
            "the engine `{name}` at {url} can't be reached from here: {why}; see that it runs, listens there and knows this certificate, \
             then add it again"
        ),
        Err(error) => format!("the engine `{name}` at {url} can't be used: {error}; mend that, then add it again"),
    };
    Err(ControlError::refused(Code::EngineUnusable, why))
}

fn refused(refusal: AddRefusal) -> ControlError {
    let code = match refusal {
        AddRefusal::Moved { .. } | AddRefusal::Stranger { .. } => Code::EngineInUse,
        _ => Code::EngineTaken,
    };
    ControlError::refused(code, refusal.to_string())
}
