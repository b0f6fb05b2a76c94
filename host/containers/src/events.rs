//! What happens to an installation's objects, as the engine tells it. A hint to look, and nothing more: what was missed while
//! nobody listened is found by looking.

use std::collections::HashMap;
use std::pin::Pin;

use async_trait::async_trait;
use bollard::errors::Error;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt as _};
use larder_domain::ids::InstallationId;
use larder_domain::ports::engine::{EngineError, EngineEvent, EngineEvents};

use crate::bounds::Bounds;
use crate::endpoint::Endpoint;
use crate::engine::filters;
use crate::error::{Trouble, line, within};
use crate::labels;
use crate::wire::Session;

/// The longest action, in characters.
const ACTION_CHARS_MAX: usize = 40;

type Messages = Pin<Box<dyn Stream<Item = Result<EventMessage, Error>> + Send>>;

/// An open stream of events.
pub(crate) struct Events {
    messages: Messages,
    session: Session,
    installation: InstallationId,
    endpoint: Endpoint,
    bounds: Bounds,
    /// What came before it was known that the stream is open.
    first: Option<EngineEvent>,
}

/// Opens the stream. When this ends, the engine listens.
pub(crate) async fn open(
    session: Session,
    installation: InstallationId,
    endpoint: Endpoint,
    bounds: Bounds,
) -> Result<Events, Trouble> {
    let kinds = ["container", "volume"].map(str::to_owned).to_vec();
    let filters = filters([("type", kinds), ("label", labels::filter(installation, None))]);
    let options = EventsOptionsBuilder::default().filters(&filters).build();
    let mut messages: Messages = Box::pin(session.docker.events(Some(options)));
    // Nothing is sent before somebody waits for a message, and there may be none for hours.
    let early = tokio::select! {
        biased;
        message = messages.next() => Some(message),
        () = session.answered() => None,
    };
    let first = match early {
        Some(message) => read(message.ok_or_else(ended)??, installation),
        None => None,
    };
    Ok(Events { messages, session, installation, endpoint, bounds, first })
}

#[async_trait]
impl EngineEvents for Events {
    async fn next(&mut self) -> Result<EngineEvent, EngineError> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        loop {
            let Ok(message) = tokio::time::timeout(self.bounds.silence, self.messages.next()).await else {
                self.is_still_there().await?;
                continue;
            };
            self.session.go_on();
            let message = message.ok_or_else(ended)?.map_err(Trouble::from)?;
            if let Some(event) = read(message, self.installation) {
                return Ok(event);
            }
        }
    }
}

impl Events {
    /// An engine that hangs is as silent as one to which nothing happens.
    async fn is_still_there(&mut self) -> Result<(), EngineError> {
        let session = Session::new(&self.endpoint, None, self.bounds.answer_bytes).map_err(Trouble::from)?;
        within(self.bounds.look, async { session.docker.ping().await.map_err(Trouble::from) }).await.map(drop)
    }
}

fn ended() -> EngineError {
    EngineError::Failed("it ended the stream of its events".into())
}

fn read(message: EventMessage, installation: InstallationId) -> Option<EngineEvent> {
    let attributes: HashMap<String, String> = message.actor?.attributes?;
    let addon = labels::addon_of(installation, &attributes)?;
    // After a colon come details; of a command that is run, all its words, secrets among them.
    let action = message.action?;
    let action = action.split(':').next().unwrap_or_default();
    // Commands run in an object, and nothing happens to it.
    if action.starts_with("exec_") {
        return None;
    }
    Some(EngineEvent { addon, action: line(action).chars().take(ACTION_CHARS_MAX).collect() })
}
