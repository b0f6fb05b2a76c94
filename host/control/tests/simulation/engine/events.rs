//! What an engine tells of itself: events that get lost, come twice, or after the next one.

use async_trait::async_trait;
use larder_domain::ports::engine::{EngineError, EngineEvent, EngineEvents};

use crate::faults::Fault;
use crate::seat::Seat;

/// A stream of events.
pub(super) struct ShakyEvents {
    pub(super) inner: Box<dyn EngineEvents>,
    pub(super) world: Seat,
    /// To be told next.
    pub(super) held: Option<EngineEvent>,
}

#[async_trait]
impl EngineEvents for ShakyEvents {
    async fn next(&mut self) -> Result<EngineEvent, EngineError> {
        let world = &self.world;
        if let Some(held) = self.held.take() {
            return Ok(held);
        }
        loop {
            let event = self.inner.next().await?;
            if world.strikes(Fault::EventsBreak) {
                return Err(EngineError::Unreachable("the stream of events broke off".to_owned()));
            }
            if world.strikes(Fault::EventLost) {
                continue;
            }
            if world.strikes(Fault::EventTwice) {
                self.held = Some(event.clone());
            } else if world.strikes(Fault::EventReordered) {
                let later = self.inner.next().await?;
                self.held = Some(event);
                return Ok(later);
            }
            return Ok(event);
        }
    }
}
