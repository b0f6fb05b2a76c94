//! Many guests at once: none harms another, and none is left behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use larder_domain::failure::FaultCode;
use larder_domain::ports::runtime::{ContextError, GuestState};
use larder_domain::ports::{CallContext, Export, ProviderRuntime, Reply};
use larder_sandbox::{Compile, Sandbox, SandboxConfig};
use tokio::time::timeout;

use crate::guest::{Guest, LOOP, ZEROES};
use crate::host::{Store, call, call_with, code, load, reply, sandbox};

/// Reads the state, for which the host waits.
const READ_STATE: &str = "(call $get (i32.const 1024) (i32.const 4) (i32.const 32)) ";

fn looper() -> Guest {
    Guest { begin: LOOP.to_owned(), ..Guest::default() }
}

pub(crate) fn for_few_calls(calls_max: u32) -> Sandbox {
    Sandbox::new(SandboxConfig { calls_max, guest_threads: 2, ..SandboxConfig::compiling(Compile::Here) }).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loopers_share_their_threads_with_others() {
    let sandbox = Arc::new(sandbox());
    let digest = load(&sandbox, &looper()).await;
    let mut loopers = Vec::new();
    for _ in 0..8 {
        let sandbox = Arc::clone(&sandbox);
        let mut call = call(digest, Export::BeginProvision);
        call.limits.cpu = Duration::from_millis(250);
        // Those that keep running are served last, so on a busy machine it takes them long.
        call.limits.wall = Duration::from_secs(60);
        loopers.push(tokio::spawn(async move { sandbox.call(call).await }));
    }
    let (mut slowest, mut neighbours) = (Duration::ZERO, 0);
    while !loopers.iter().all(tokio::task::JoinHandle::is_finished) {
        let began = Instant::now();
        let report = sandbox.call(call(digest, Export::ProvisionComplete)).await;
        slowest = slowest.max(began.elapsed());
        neighbours += 1;
        assert_eq!(reply(report), Reply::Done);
    }
    for looper in loopers {
        assert_eq!(code(&looper.await.unwrap()), FaultCode::CpuLimit);
    }
    // Each of two threads has four loopers, which take 5 ms each, and a second in all.
    assert!(slowest < Duration::from_millis(500) && neighbours > 10, "one of {neighbours} waited for {slowest:?}");
}

#[tokio::test]
async fn dropping_the_future_ends_the_call() {
    let sandbox = for_few_calls(1);
    let digest = load(&sandbox, &looper()).await;
    let waiting =
        load(&sandbox, &Guest { begin: READ_STATE.to_owned() + &Guest::default().begin, ..Guest::default() }).await;
    let slow = Arc::new(Store { delay: Duration::from_secs(60), ..Store::default() });
    let mut endless = call(digest, Export::BeginProvision);
    endless.limits.cpu = Duration::from_secs(60);
    for call in [endless, call_with(waiting, Export::BeginProvision, slow)] {
        timeout(Duration::from_millis(30), sandbox.call(call)).await.unwrap_err();
        // The only slot is free again, at the next tick at the latest.
        let next = sandbox.call(self::call(digest, Export::ProvisionComplete));
        assert_eq!(reply(timeout(Duration::from_secs(2), next).await.unwrap()), Reply::Done);
    }
}

#[tokio::test]
async fn a_call_may_be_dropped_at_any_moment() {
    let sandbox = for_few_calls(1);
    let body = READ_STATE.repeat(2) + "(call $checkpoint (i32.const 32)) " + READ_STATE;
    let guest = Guest { begin: body + &Guest::default().begin, ..Guest::default() };
    let digest = load(&sandbox, &guest).await;
    let slow = Arc::new(Store { delay: Duration::from_millis(5), ..Store::default() });
    // From before it has begun until after it has ended.
    for step in 0..60 {
        let call = call_with(digest, Export::BeginProvision, slow.clone());
        let _perhaps = timeout(Duration::from_micros(step * 200), sandbox.call(call)).await;
        let next = sandbox.call(self::call(digest, Export::ProvisionComplete));
        assert_eq!(reply(timeout(Duration::from_secs(2), next).await.unwrap()), Reply::Done, "after {step} steps");
        assert_eq!((sandbox.usage().calls, sandbox.usage().memory_bytes), (0, 0), "after {step} steps");
    }
}

#[tokio::test]
async fn further_calls_wait_for_a_slot() {
    let sandbox = Arc::new(for_few_calls(2));
    let guest = Guest { begin: READ_STATE.to_owned() + &Guest::default().begin, ..Guest::default() };
    let digest = load(&sandbox, &guest).await;
    let slow = Arc::new(Store { delay: Duration::from_millis(200), ..Store::default() });
    let began = Instant::now();
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let (sandbox, call) = (Arc::clone(&sandbox), call_with(digest, Export::BeginProvision, slow.clone()));
            tokio::spawn(async move { sandbox.call(call).await })
        })
        .collect();
    for call in calls {
        let report = call.await.unwrap();
        assert!(report.wall < Duration::from_millis(550), "waiting for a slot is not the guest's time");
        reply(report);
    }
    assert!(began.elapsed() >= Duration::from_millis(600));
}

#[tokio::test]
async fn the_hosts_memory_is_shared_and_its_end_is_no_guests_fault() {
    let config =
        SandboxConfig { calls_max: 4, memory_bytes_max: 10 * 1024 * 1024, ..SandboxConfig::compiling(Compile::Here) };
    let sandbox = Arc::new(Sandbox::new(config).unwrap());
    // 6 MB, touched by nobody, and a wait.
    let guest = Guest { pages: 96, complete: READ_STATE.to_owned() + ZEROES, ..Guest::default() };
    let digest = load(&sandbox, &guest).await;
    let slow = Arc::new(Store { delay: Duration::from_millis(500), ..Store::default() });
    let large = || {
        let mut call = call_with(digest, Export::ProvisionComplete, slow.clone());
        call.limits.memory_bytes = 8 * 1024 * 1024;
        call
    };
    let (one, other) = tokio::join!(sandbox.call(large()), sandbox.call(large()));
    assert!(one.outcome.is_ok() != other.outcome.is_ok(), "there is room for one");
    let refused = if one.outcome.is_ok() { other } else { one };
    assert_eq!(code(&refused), FaultCode::Host);
    assert_eq!(reply(sandbox.call(large()).await), Reply::Done);
}

/// A store with a mistake in it.
struct Panicking;

#[async_trait]
impl CallContext for Panicking {
    async fn load_state(&self) -> Result<GuestState, ContextError> {
        panic!("on purpose")
    }

    async fn checkpoint(&self, _: &GuestState) -> Result<(), ContextError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_of_the_hosts_own_harms_one_call() {
    let sandbox = Arc::new(for_few_calls(1));
    let digest =
        load(&sandbox, &Guest { begin: READ_STATE.to_owned() + &Guest::default().begin, ..Guest::default() }).await;
    for from_a_guests_thread in [false, true] {
        let mut call = call(digest, Export::BeginProvision);
        call.context = Arc::new(Panicking);
        let inner = Arc::clone(&sandbox);
        let calling = async move { inner.call(call).await };
        let report =
            if from_a_guests_thread { sandbox.guest_threads().spawn(calling).await.unwrap() } else { calling.await };
        assert_eq!(code(&report), FaultCode::Host);
        assert_eq!(report.outcome.unwrap_err().detail, "the host's own code panicked: on purpose");
        reply(sandbox.call(self::call(digest, Export::BeginProvision)).await);
    }
}

#[tokio::test]
async fn calls_from_a_guests_thread_are_no_different() {
    let sandbox = Arc::new(sandbox());
    let digest = load(&sandbox, &looper()).await;
    let inner = Arc::clone(&sandbox);
    let both = sandbox.guest_threads().spawn(async move {
        let done = inner.call(call(digest, Export::ProvisionComplete)).await;
        (done, inner.call(call(digest, Export::BeginProvision)).await)
    });
    let (done, endless) = both.await.unwrap();
    assert_eq!(reply(done), Reply::Done);
    assert_eq!(code(&endless), FaultCode::CpuLimit);
}

#[tokio::test]
async fn versions_come_and_go_and_calls_under_way_finish() {
    let sandbox = Arc::new(sandbox());
    let digest = load(&sandbox, &looper()).await;
    assert!(sandbox.is_loaded(digest));
    sandbox.load(digest, b"is not even looked at".to_vec()).await.unwrap();

    let inner = Arc::clone(&sandbox);
    let under_way = tokio::spawn(async move { inner.call(call(digest, Export::BeginProvision)).await });
    // Polled once, the call has found its version.
    tokio::task::yield_now().await;
    sandbox.unload(digest);
    assert!(!sandbox.is_loaded(digest));
    let report = sandbox.call(call(digest, Export::ProvisionComplete)).await;
    assert_eq!(code(&report), FaultCode::Host);
    assert_eq!(code(&under_way.await.unwrap()), FaultCode::CpuLimit);
}

#[tokio::test]
async fn the_clock_goes_on_after_a_rest() {
    let sandbox = sandbox();
    let digest = load(&sandbox, &looper()).await;
    for _ in 0..2 {
        assert_eq!(code(&sandbox.call(call(digest, Export::BeginProvision)).await), FaultCode::CpuLimit);
        // Longer than the ticker stays awake without a call.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
