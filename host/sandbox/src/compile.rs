//! Turns a component's bytes into machine code, once for each machine.
//!
//! Compiling costs a hundred times its input in memory and seconds of CPU, so it happens one at a time, in a child
//! process that a compile bomb can kill alone (`child` is its side, `parent` ours). What it made is kept on disk
//! (`artefacts`), so that a node which starts again compiles nothing.

mod artefacts;
mod child;
mod memory;
mod parent;

use std::sync::Arc;

use larder_domain::Digest;
use larder_domain::provider::Refusal;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Component;

pub use artefacts::ArtefactDir;
pub use child::{COMPILE_COMMAND, compile_child};

use artefacts::Artefacts;

use crate::config::{Compile, StartError};
use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::fault::short;

/// Components that are compiled at the same time.
const COMPILES_AT_ONCE_MAX: usize = 1;

/// Compiles, one component after the other.
pub(crate) struct Compiler {
    engine: Engine,
    place: Compile,
    artefacts: Option<Arc<Artefacts>>,
    turns: Semaphore,
    threads: Handle,
}

impl Compiler {
    /// Compiles for this engine; what it does itself, on the blocking threads of this runtime.
    pub(crate) fn new(
        engine: Engine,
        place: Compile,
        artefacts: Option<ArtefactDir>,
        threads: Handle,
    ) -> Result<Self, StartError> {
        let artefacts =
            artefacts.map(|dir| Artefacts::open(dir, &engine)).transpose().map_err(StartError::Artefacts)?;
        let turns = Semaphore::new(COMPILES_AT_ONCE_MAX);
        Ok(Self { engine, place, artefacts: artefacts.map(Arc::new), turns, threads })
    }

    /// The component as it was compiled before, if it was and the result is still there and whole.
    pub(crate) async fn kept(&self, digest: Digest) -> Option<Component> {
        let (artefacts, engine) = (Arc::clone(self.artefacts.as_ref()?), self.engine.clone());
        let read = move || {
            let code = artefacts.get(digest)?;
            // SAFETY: the code's authentication says that this host wrote it for this engine, after a compile of its own.
            let component = unsafe { Component::deserialize(&engine, code) };
            component.inspect_err(|error| tracing::warn!(%digest, %error, "a kept artefact can't be used")).ok()
        };
        self.threads.spawn_blocking(read).await.ok().flatten()
    }

    /// Compiles, when it is this component's turn, and keeps the result.
    pub(crate) async fn compile(&self, digest: Digest, wasm: Vec<u8>) -> Result<Component, Refusal> {
        let _turn = self.turns.acquire().await.map_err(|_| gave_up("the host is shutting down"))?;
        let (wasm, features) = (Arc::new(wasm), self.engine.get_wasm_features());
        let whole = Arc::clone(&wasm);
        self.blocking(move || larder_inspect::inspect(&whole, features)).await??;
        let (code, engine) = match &self.place {
            Compile::InChild(program) => (parent::compile(program, &wasm).await?, self.engine.clone()),
            Compile::Here => {
                let engine = self.engine.clone();
                let compiled = self.blocking(move || engine.precompile_component(&wasm)).await?;
                (compiled.map_err(|error| refused(&short(&error)))?, self.engine.clone())
            }
        };
        let artefacts = self.artefacts.clone();
        let load = move || {
            // SAFETY: the code comes from the engine's own compiler: in this process, or over a pipe from a child that runs
            // this very program. The engine checks that both were set up alike.
            let component = unsafe { Component::deserialize(&engine, &code) }.map_err(|error| unusable(&error))?;
            if let Some(artefacts) = artefacts {
                artefacts.put(digest, &code);
            }
            Ok(component)
        };
        self.blocking(load).await?
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        self.threads.spawn_blocking(work).await.map_err(|_| gave_up("the compiler crashed"))
    }
}

/// The compiler's word on a component that it can't compile.
fn refused(found: &str) -> Refusal {
    Refusal::new(
        "invalid_component",
        format!("the component can't be compiled: {found}; build it again with the tools that the SDK's guide names"),
    )
}

fn unusable(error: &wasmtime::Error) -> Refusal {
    // The engine checks a component against its pool when it is loaded, and tells no kind of error from another.
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
    refused(&short(error))
}

fn gave_up(why: &str) -> Refusal {
    Refusal::new(Refusal::COMPILE_FAILED, format!("the component could not be compiled: {why}"))
}
