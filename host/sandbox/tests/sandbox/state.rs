//! State over whole calls: what is handed on with an answer, and what a breakdown leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use larder_domain::failure::FaultCode;
use larder_domain::ports::runtime::{CallContext, ContextError, GuestState};
use larder_domain::ports::{Export, ProviderRuntime};

use crate::guest::Guest;
use crate::host::{Store, call, call_with, code, failure, load, sandbox};

const SET: &str = "(call $set (i32.const 1024) (i32.const 4) (i32.const 1028) (i32.const 2) (i32.const 32))";

fn guest() -> Guest {
    let failing = "(i32.store (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (i32.const 2)) (i32.const 16)";
    Guest {
        begin: format!("{SET} {}", Guest::default().begin),
        complete: format!("{SET} (unreachable)"),
        config: format!("{SET} (call $checkpoint (i32.const 32)) (unreachable)"),
        deprovision: format!("{SET} {failing}"),
        ..Guest::default()
    }
}

fn made() -> GuestState {
    GuestState::from([("made".to_owned(), b"{}".to_vec())])
}

/// A store whose addon another node drives as soon as something is stored.
#[derive(Default)]
struct Losing(AtomicUsize);

#[async_trait]
impl CallContext for Losing {
    fn is_held(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    async fn load_state(&self) -> Result<GuestState, ContextError> {
        Ok(GuestState::new())
    }

    async fn checkpoint(&self, _: &GuestState) -> Result<(), ContextError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[tokio::test]
async fn a_guest_that_has_lost_its_lease_asks_the_host_for_nothing_more() {
    let sandbox = sandbox();
    let again = "(call $checkpoint (i32.const 32)) (call $checkpoint (i32.const 32))";
    let digest = load(&sandbox, &Guest { complete: format!("{SET} {again} (unreachable)"), ..guest() }).await;
    let losing = Arc::new(Losing::default());
    let mut call = call(digest, Export::ProvisionComplete);
    call.context = losing.clone();
    let report = sandbox.call(call).await;
    assert_eq!(losing.0.load(Ordering::Relaxed), 1, "the second one comes in the same turn");
    assert_eq!((code(&report), report.state), (FaultCode::Host, None));
}

#[tokio::test]
async fn state_goes_with_a_typed_answer_and_is_lost_with_a_trap() {
    let sandbox = sandbox();
    let digest = load(&sandbox, &guest()).await;
    let store = Arc::new(Store::default());

    let report = sandbox.call(call_with(digest, Export::BeginProvision, store.clone())).await;
    assert_eq!(report.state, Some(made()));
    assert!(store.state.lock().unwrap().is_empty(), "storing it is up to the caller");

    let report = sandbox.call(call_with(digest, Export::Deprovision, store.clone())).await;
    assert_eq!(report.state, Some(made()));
    failure(report);

    let report = sandbox.call(call_with(digest, Export::ProvisionComplete, store.clone())).await;
    assert_eq!((code(&report), report.state), (FaultCode::Trap, None));
    assert!(store.state.lock().unwrap().is_empty());

    let report = sandbox.call(call_with(digest, Export::GetConfig, store.clone())).await;
    assert_eq!((code(&report), report.state), (FaultCode::Trap, None));
    assert_eq!(*store.state.lock().unwrap(), made(), "what was checkpointed stays");
}

#[tokio::test]
async fn a_call_that_wants_no_state_reads_none() {
    let sandbox = sandbox();
    let digest = load(&sandbox, &Guest::default()).await;
    let store = Store::with("a", b"1");
    let report = sandbox.call(call_with(digest, Export::BeginProvision, store.clone())).await;
    assert_eq!(report.state, None);
    assert_eq!(store.loads.load(Ordering::Relaxed), 0);
}
