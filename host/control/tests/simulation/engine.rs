//! The engine's port over the fake engine, in a world where engines fail, are silent, take their time, lose answers, do what they were
//! asked to later, and tell of events late, twice or never. What an engine has begun it ends, whoever waits for it.

mod events;
mod intent;
mod port;
mod work;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use larder_domain::ports::engine::EngineError;
use larder_store::SqlStore;

use crate::faults::Fault;
use crate::plants::Plant;
use crate::seat::Seat;
pub(crate) use work::{EngineWork, addon_of};

/// The engine as one node sees it.
pub(crate) struct ShakyEngine {
    pub(crate) world: Seat,
    pub(crate) raw: Arc<SqlStore>,
}

impl ShakyEngine {
    /// Asks the engine something that changes nothing.
    async fn asks<T>(&self, question: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
        let world = &self.world;
        world.step().await;
        world.may_wait(Fault::EngineSlow, 50..=12_000).await;
        if let Some(error) = self.failure() {
            return Err(error);
        }
        world.step().await;
        at_once(question)
    }

    /// Has the engine do something.
    async fn does(&self, work: EngineWork) -> Result<(), EngineError> {
        let world = &self.world;
        world.step().await;
        world.say(work.addon(), format_args!("engine.{work}"));
        self.check_intent(&work).await;
        world.may_die(Fault::CrashBeforeEngine).await;
        world.may_wait(Fault::EngineSlow, 50..=12_000).await;
        if world.strikes(Fault::EngineLate) {
            let due = world.now_ms() + world.within(100..=30_000);
            world.state().late.push((due, work));
            return Err(EngineError::Unreachable("it did not answer in time".to_owned()));
        }
        if let Some(error) = self.failure() {
            return Err(error);
        }
        world.step().await;
        if world.plant == Some(Plant::VolumeStays) && matches!(work, EngineWork::RemoveVolume(_)) {
            return Ok(());
        }
        let mut done = work.run(&world.engine);
        if world.strikes(Fault::EngineTwice) {
            done = done.and(work.run(&world.engine));
        }
        world.say(work.addon(), format_args!("engine.{work}: {}", if done.is_ok() { "ok" } else { "refused" }));
        world.may_die(Fault::CrashAfterEngine).await;
        if world.strikes(Fault::EngineAnswerLost) {
            return Err(EngineError::Unreachable("the connection was lost".to_owned()));
        }
        done
    }

    fn failure(&self) -> Option<EngineError> {
        if self.world.strikes(Fault::EngineSilent) {
            return Some(EngineError::Unreachable("nobody answers".to_owned()));
        }
        self.world.strikes(Fault::EngineFails).then(|| EngineError::Failed("500".to_owned()))
    }
}

/// Has the fake do something whole, as an engine does also for those who do not wait: it waits for nobody itself.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    let (mut work, mut context) = (pin!(work), Context::from_waker(Waker::noop()));
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}
