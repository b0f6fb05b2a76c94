//! State over whole calls: what is handed on with an answer, and what a breakdown leaves.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use larder_domain::failure::FaultCode;
use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::{Export, ProviderRuntime};

use crate::guest::Guest;
use crate::host::{Store, call_with, code, failure, load, sandbox};

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
