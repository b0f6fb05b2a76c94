//! Turns a component's bytes into machine code.
//!
//! Compiling costs a hundred times its input in memory and seconds of CPU, so it happens one at a time, on a thread for
//! blocking work. This function is the seam behind which the compiler can move into a process of its own: bytes go in,
//! a component or a refusal comes out.

use std::sync::Arc;

use larder_domain::provider::Refusal;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::fault::short;

/// Components that are compiled at the same time.
const COMPILES_AT_ONCE_MAX: usize = 1;

/// The right to compile, for as long as it lives.
pub(crate) type Turn = OwnedSemaphorePermit;

/// Compiles, one component after the other.
pub(crate) struct Compiler {
    engine: Engine,
    turns: Arc<Semaphore>,
    threads: Handle,
}

impl Compiler {
    /// Compiles for this engine, on the blocking threads of this runtime.
    pub(crate) fn new(engine: Engine, threads: Handle) -> Self {
        Self { engine, turns: Arc::new(Semaphore::new(COMPILES_AT_ONCE_MAX)), threads }
    }

    /// Waits until it may compile.
    pub(crate) async fn turn(&self) -> Result<Turn, Refusal> {
        Arc::clone(&self.turns).acquire_owned().await.map_err(|_| gave_up("the host is shutting down"))
    }

    /// Compiles. The turn ends with the compiling, even if nobody waits for it any more.
    pub(crate) async fn compile(&self, turn: Turn, wasm: Vec<u8>) -> Result<Component, Refusal> {
        let engine = self.engine.clone();
        let compiling = self.threads.spawn_blocking(move || {
            let compiled = Component::new(&engine, &wasm);
            drop(turn);
            compiled
        });
        match compiling.await {
            Ok(Ok(component)) => Ok(component),
            Ok(Err(error)) => Err(refused(&error)),
            Err(_) => Err(gave_up("the compiler crashed")),
        }
    }
}

fn refused(error: &wasmtime::Error) -> Refusal {
    // The engine checks a component against its pool when it is compiled, and tells no kind of error from another.
    if format!("{error:#}").contains("pooling allocator") {
        return Refusal::new(
            "too_many_resources",
            format!(
                "the component needs more than a guest may have ({MEMORIES_MAX} memories, {TABLES_MAX} tables of \
                 {TABLE_ELEMENTS_MAX} elements, {CORE_INSTANCES_MAX} core instances): {}; compose it of fewer or \
                 smaller modules",
                short(error)
            ),
        );
    }
    let found = short(error);
    Refusal::new(
        "invalid_component",
        format!("the component can't be compiled: {found}; build it again with the tools that the SDK's guide names"),
    )
}

fn gave_up(why: &str) -> Refusal {
    Refusal::new("compile_failed", format!("the component could not be compiled: {why}; upload it again"))
}
