//! The standard streams of a container of the fake's: what a test has scripted goes out, and what comes in is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use larder_domain::ports::engine::{Attached, ContainerState, EngineError};

use super::world::{FakeProgram, World};

/// One container's streams.
pub(super) struct FakeAttached {
    world: Arc<Mutex<World>>,
    full_name: String,
    output: VecDeque<Vec<u8>>,
    program: FakeProgram,
    read: usize,
}

impl FakeAttached {
    pub(super) fn new(world: Arc<Mutex<World>>, full_name: String, program: FakeProgram) -> Self {
        Self { world, full_name, output: program.output.clone().into(), program, read: 0 }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let (code, mut world) = (self.program.code, self.world());
        if let Some(container) = world.containers.get_mut(&self.full_name) {
            container.state = ContainerState::Exited { code, out_of_memory: false };
        }
    }

    fn is_there(&self) -> bool {
        self.world().containers.contains_key(&self.full_name)
    }
}

#[async_trait]
impl Attached for FakeAttached {
    async fn read(&mut self) -> Result<Option<Vec<u8>>, EngineError> {
        if !self.is_there() {
            return Ok(None);
        }
        if let Some(piece) = self.output.pop_front() {
            return Ok(Some(piece));
        }
        if self.program.hangs {
            std::future::pending::<()>().await;
        }
        self.end();
        Ok(None)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<bool, EngineError> {
        if !self.is_there() || self.program.reads.is_some_and(|most| self.read >= most) {
            self.end();
            return Ok(false);
        }
        self.read += bytes.len();
        self.world().received.extend_from_slice(bytes);
        Ok(true)
    }

    async fn finish(&mut self) -> Result<(), EngineError> {
        if self.program.hangs {
            std::future::pending::<()>().await;
        }
        self.end();
        Ok(())
    }

    fn last_errors(&self) -> String {
        self.program.errors.clone()
    }
}
