//! The sandbox as the rest of the host sees it: loaded versions, and the port through which they are called.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use larder_domain::Digest;
use larder_domain::failure::Fault;
use larder_domain::limits::CallLimits;
use larder_domain::ports::runtime::{Interface, Usage};
use larder_domain::ports::{Call, CallReport, ProviderRuntime};
use larder_domain::provider::Refusal;
use larder_domain::secret::SecretString;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::capability::network::Network;
use crate::capability::tls::Tls;
use crate::compile::Compiler;
use crate::config::{SandboxConfig, StartError};
use crate::data::{CallData, Shared};
use crate::loaded::Loaded;
use crate::memory::HostMemory;
use crate::threads::GuestThreads;
use crate::ticker::Ticker;
use crate::{call, engine, fault, linker};

/// Runs providers. Dropping it ends all calls.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<CallData>,
    compiler: Compiler,
    loaded: RwLock<HashMap<Digest, Arc<Loaded>>>,
    slots: Arc<Slots>,
    shared: Arc<Shared>,
    threads: GuestThreads,
}

impl Sandbox {
    /// Reserves the pools and starts the threads.
    ///
    /// # Errors
    /// If the machine doesn't give what `config` asks for.
    pub fn new(config: SandboxConfig) -> Result<Self, StartError> {
        let engine = engine::engine(&config)?;
        let threads = GuestThreads::start(config.guest_threads)?;
        Ok(Self {
            linker: linker::linker(&engine)?,
            compiler: Compiler::new(engine.clone(), config.compile, config.artefacts, threads.handle().clone())?,
            loaded: RwLock::default(),
            slots: Arc::new(Slots::new(&engine, config.calls_max)?),
            shared: Arc::new(Shared {
                memory: Arc::new(HostMemory::new(config.memory_bytes_max)),
                network: Arc::new(Network::new()),
                tls: Arc::new(Tls::trusting(config.roots)),
            }),
            engine,
            threads,
        })
    }

    /// The threads that run guests. A worker that makes many short calls does best to make them from there: they then
    /// run where they are made, whereas from any other thread each is handed over and back.
    #[must_use]
    pub fn guest_threads(&self) -> &Handle {
        self.threads.handle()
    }

    fn insert(&self, digest: Digest, component: &Component) -> Result<(), Refusal> {
        let loaded = Loaded::link(component, &self.linker)?;
        self.write().insert(digest, Arc::new(loaded));
        Ok(())
    }

    fn find(&self, digest: Digest) -> Result<Arc<Loaded>, Fault> {
        let found = self.read().get(&digest).cloned();
        found.ok_or_else(|| fault::host(&format!("the version {digest} is not loaded")))
    }

    /// Does work with a loaded version: on a guest's thread, when there is a slot for it.
    async fn with<T, F>(&self, digest: Digest, work: impl FnOnce(Arc<Loaded>) -> F + Send + 'static) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        // Boxed before anything is awaited: who waits for the call holds a pointer to its future, not room for another.
        let slotted = Box::pin(slotted(Arc::clone(&self.slots), self.find(digest)?, work));
        self.threads.run(slotted).await.unwrap_or_else(|_| Err(shut_down()))
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Digest, Arc<Loaded>>> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Digest, Arc<Loaded>>> {
        self.loaded.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ProviderRuntime for Sandbox {
    fn inspect(&self, wasm: &[u8]) -> Result<(), Refusal> {
        larder_inspect::inspect(wasm, self.engine.get_wasm_features())
    }

    async fn load(&self, digest: Digest, wasm: Vec<u8>) -> Result<(), Refusal> {
        if !self.is_loaded(digest) {
            let component = self.compiler.compile(digest, wasm).await?;
            self.insert(digest, &component)?;
        }
        Ok(())
    }

    async fn load_kept(&self, digest: Digest) -> bool {
        if self.is_loaded(digest) {
            return true;
        }
        match self.compiler.kept(digest).await {
            // What can't be linked any more is compiled anew, and then says why.
            Some(component) => self.insert(digest, &component).is_ok(),
            None => false,
        }
    }

    fn is_loaded(&self, digest: Digest) -> bool {
        self.read().contains_key(&digest)
    }

    fn exports(&self, digest: Digest) -> Vec<Interface> {
        self.find(digest).map(|loaded| loaded.optional.interfaces()).unwrap_or_default()
    }

    fn unload(&self, digest: Digest) {
        let unloaded = self.write().remove(&digest);
        // Freeing machine code may take its time, and calls need the lock.
        drop(unloaded);
    }

    fn usage(&self) -> Usage {
        let (calls, calls_max) = self.slots.usage();
        let (memory_bytes, memory_bytes_max) = self.shared.memory.usage();
        let (sockets, sockets_max) = self.shared.network.usage();
        Usage { calls, calls_max, memory_bytes, memory_bytes_max, sockets, sockets_max }
    }

    async fn describe(
        &self,
        digest: Digest,
        options: &SecretString,
        limits: CallLimits,
    ) -> Result<Result<String, String>, Fault> {
        let (options, shared) = (options.clone(), Arc::clone(&self.shared));
        self.with(digest, move |loaded| async move { call::describe(&loaded, options, limits, &shared).await }).await?
    }

    async fn call(&self, call: Call) -> CallReport {
        let (digest, shared) = (call.digest, Arc::clone(&self.shared));
        let reported = self.with(digest, |loaded| async move { call::call(&loaded, call, &shared).await }).await;
        reported.unwrap_or_else(|fault| CallReport {
            outcome: Err(fault),
            state: None,
            log: Vec::new(),
            denied: Vec::new(),
            denials: 0,
            objects: None,
            issued: Vec::new(),
            cpu: Duration::ZERO,
            wall: Duration::ZERO,
        })
    }
}

/// The right to run, once for each call that the pool has room for; and the clock that runs while any is taken.
struct Slots {
    calls_max: usize,
    free: Arc<Semaphore>,
    ticker: Ticker,
}

impl Slots {
    fn new(engine: &Engine, calls_max: u32) -> Result<Self, StartError> {
        let calls_max = calls_max.max(1) as usize;
        let free = Arc::new(Semaphore::new(calls_max));
        Ok(Self { ticker: Ticker::start(engine.clone(), Arc::clone(&free), calls_max)?, free, calls_max })
    }

    /// How many calls are under way, and can be.
    fn usage(&self) -> (u64, u64) {
        (self.calls_max.saturating_sub(self.free.available_permits()) as u64, self.calls_max as u64)
    }

    async fn take(&self) -> Result<SemaphorePermit<'_>, Fault> {
        let slot = self.free.acquire().await.map_err(|_| shut_down())?;
        self.ticker.wake();
        Ok(slot)
    }
}

async fn slotted<F: Future>(
    slots: Arc<Slots>,
    loaded: Arc<Loaded>,
    work: impl FnOnce(Arc<Loaded>) -> F,
) -> Result<F::Output, Fault> {
    let _slot = slots.take().await?;
    Ok(work(loaded).await)
}

fn shut_down() -> Fault {
    fault::host("the sandbox is shutting down")
}
