//! The host's side of the tests: a sandbox, calls, and a store that remembers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use larder_domain::addon::DeclaredVariables;
use larder_domain::failure::{FaultCode, GuestFailure};
use larder_domain::ids::{AddonId, Digest};
use larder_domain::limits::CallLimits;
use larder_domain::ports::runtime::{ContextError, GuestState};
use larder_domain::ports::{Call, CallContext, CallReport, Export, ProviderRuntime, Reply};
use larder_domain::secret::{SecretString, Seed};
use larder_domain::{AddonSpec, ComponentKind, ProvisionType, Role, WallTime};
use larder_sandbox::{Compile, Sandbox, SandboxConfig};

use crate::guest::Guest;

/// A sandbox for few calls on two threads.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig { calls_max: 40, guest_threads: 2, ..SandboxConfig::compiling(Compile::Here) }).unwrap()
}

/// Limits that are soon reached.
pub(crate) fn limits() -> CallLimits {
    CallLimits {
        wall: Duration::from_secs(20),
        cpu: Duration::from_millis(60),
        memory_bytes: 4 * 1024 * 1024,
        instances: 32,
        hostcall_bytes: 256 * 1024,
        handles: 100,
        log_bytes: 4096,
    }
}

/// Loads a guest, under a digest of its own.
pub(crate) async fn load(sandbox: &Sandbox, guest: &Guest) -> Digest {
    load_wasm(sandbox, guest.wasm()).await
}

/// Loads a component, under a digest of its own.
pub(crate) async fn load_wasm(sandbox: &Sandbox, wasm: Vec<u8>) -> Digest {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let mut digest = Digest([0; 32]);
    digest.0[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    sandbox.load(digest, wasm).await.unwrap();
    digest
}

/// A call with [`limits`] and a store of its own.
pub(crate) fn call(digest: Digest, export: Export) -> Call {
    call_with(digest, export, Arc::default())
}

/// A call with [`limits`].
pub(crate) fn call_with(digest: Digest, export: Export, context: Arc<Store>) -> Call {
    Call {
        digest,
        export,
        addon: Arc::new(addon()),
        generation: 0,
        previous: None,
        server_config: vec![("uri".to_owned(), SecretString::new("x://y"))],
        seed: Seed([7; 32]),
        options: SecretString::new("{}"),
        state: None,
        limits: limits(),
        log: Arc::default(),
        network: Arc::default(),
        docker: Arc::default(),
        objects: None,
        context,
    }
}

/// Loads a guest into a sandbox of its own and calls it. Whatever became of it, its neighbour goes on.
pub(crate) async fn try_one(guest: &Guest, export: Export) -> CallReport {
    let sandbox = sandbox();
    let digest = load(&sandbox, guest).await;
    let neighbour = load(&sandbox, &Guest::default()).await;
    let (report, during) =
        tokio::join!(sandbox.call(call(digest, export)), sandbox.call(call(neighbour, Export::ProvisionComplete)));
    let after = sandbox.call(call(neighbour, Export::ProvisionComplete)).await;
    assert_eq!([reply(during), reply(after)], [Reply::Done, Reply::Done]);
    report
}

/// How a call ended, for a test that expects one code.
pub(crate) fn code(report: &CallReport) -> FaultCode {
    match &report.outcome {
        Err(fault) => fault.code,
        Ok(answer) => panic!("the call ended well: {answer:?}"),
    }
}

/// What the guest answered, for a test that expects a success.
pub(crate) fn reply(report: CallReport) -> Reply {
    match report.outcome {
        Ok(Ok(reply)) => reply,
        other => panic!("no success: {other:?}"),
    }
}

/// What the guest answered, for a test that expects a failure.
pub(crate) fn failure(report: CallReport) -> GuestFailure {
    match report.outcome {
        Ok(Err(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

fn addon() -> AddonSpec {
    AddonSpec {
        id: AddonId::generate(),
        kind: ComponentKind::Provider,
        app: Some("shop".parse().unwrap()),
        name: "cache".parse().unwrap(),
        provider: "redis".parse().unwrap(),
        service: "redis".parse().unwrap(),
        plan: "small".parse().unwrap(),
        provision_type: ProvisionType::Independent,
        role: Role::User,
        attach_as: None,
        parameters: serde_json::json!({ "size": 3 }).into(),
        variables: DeclaredVariables::Names(Vec::new()),
        protected: false,
        external_id: None,
        parent: None,
        created_at: WallTime(0),
    }
}

/// What is stored of an addon.
#[derive(Default)]
pub(crate) struct Store {
    /// The state.
    pub(crate) state: Mutex<GuestState>,
    /// How often it was read.
    pub(crate) loads: AtomicUsize,
    /// What reading and storing ends with.
    pub(crate) error: Mutex<Option<ContextError>>,
    /// How long reading takes.
    pub(crate) delay: Duration,
}

impl Store {
    /// With one entry.
    pub(crate) fn with(key: &str, value: &[u8]) -> Arc<Self> {
        let store = Self::default();
        store.state.lock().unwrap().insert(key.to_owned(), value.to_owned());
        Arc::new(store)
    }

    fn check(&self) -> Result<(), ContextError> {
        self.error.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl CallContext for Store {
    async fn load_state(&self) -> Result<GuestState, ContextError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        self.check()?;
        Ok(self.state.lock().unwrap().clone())
    }

    async fn checkpoint(&self, state: &GuestState) -> Result<(), ContextError> {
        self.check()?;
        *self.state.lock().unwrap() = state.clone();
        Ok(())
    }
}
