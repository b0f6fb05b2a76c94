//! The machine's time of day jumps, as when a battery is empty or somebody sets it: it is shown, and decides nothing.

use std::sync::Arc;
use std::time::Duration;

use larder_domain::failure::Pending;
use larder_domain::ports::Store as _;
use larder_domain::ports::runtime::{Export, Reply};
use larder_domain::ports::store::Idempotency;
use larder_domain::{AddonState, WallTime};
use larder_store::ManualClock;
use tokio::sync::Semaphore;

use crate::support::{TestHost, report, until, usual};

const DAY_MS: i64 = 24 * 3_600_000;
const NOON: WallTime = WallTime(1_700_000_000_000);
/// How long the provider wants to be left alone.
const WAIT_MS: u64 = 600_000;
const GRACE: Duration = Duration::from_secs(3_600);

/// A host with a provider that is never done, and one whose calls last until they are let go.
async fn host(clock: &Arc<ManualClock>) -> (TestHost, Arc<Semaphore>) {
    let providers = ["honest", "patient", "slow"];
    let host = TestHost::start_with(&providers, clock.clone(), |control| control.with_delete_grace(GRACE)).await;
    let pending = |export| match export {
        Export::ProvisionComplete => report(Ok(Ok(Reply::Pending(Pending::bounded(WAIT_MS, "starting".into(), None))))),
        other => report(usual(other)),
    };
    host.script.answers.lock().unwrap().insert("patient".into(), Box::new(pending));
    let gate = Arc::new(Semaphore::new(0));
    host.script.held.lock().unwrap().insert("slow".into(), Arc::clone(&gate));
    (host, gate)
}

#[tokio::test]
async fn a_jump_of_the_time_of_day_moves_nothing() {
    for jump_ms in [DAY_MS, -DAY_MS] {
        let clock = Arc::new(ManualClock::default());
        clock.set_wall(NOON);
        let (host, gate) = host(&clock).await;
        // One is deleted and can be had back, one is waited for, and one is in a call.
        let deleted = host.create("honest", "one").await.spec.id;
        host.settled(deleted).await;
        host.control.delete_addon(deleted, false).await.unwrap();
        let patient = host.create("patient", "two").await.spec.id;
        let asked = || host.calls("patient", Export::ProvisionComplete);
        until("the first answer", || async {
            let waits = host.control.addon(patient).await.unwrap().addon.message == "starting";
            (asked() == 1 && waits).then_some(())
        })
        .await;
        let mut wish = TestHost::wish("slow", "three", None);
        wish.idempotency = Some(Idempotency { key: "key".into(), body: [7; 32] });
        let slow = host.control.create_addon(wish.clone()).await.unwrap().0.spec.id;
        until("the call", || async { (host.calls("slow", Export::BeginProvision) == 1).then_some(()) }).await;

        let before = host.store.now();
        clock.set_wall(WallTime(NOON.0 + jump_ms));
        assert_eq!(host.store.now(), before, "nothing has gone by");
        // The call goes on under its lease, and nobody makes it a second time.
        gate.add_permits(9);
        assert_eq!(host.settled(slow).await.addon.state, AddonState::Ready);
        assert_eq!(host.calls("slow", Export::BeginProvision), 1);
        // Who asks again gets what they got, neither forgotten nor made anew.
        assert_eq!(host.control.create_addon(wish).await.unwrap().0.spec.id, slow);
        // Nobody was asked early, and what can be had back still can.
        assert_eq!(asked(), 1);
        assert!(!host.control.addon(patient).await.unwrap().addon.is_settled());
        host.control.undelete_addon(deleted).await.unwrap();
        assert_eq!(host.settled(deleted).await.addon.state, AddonState::Ready);

        // Time goes on as ever.
        clock.advance_ms(WAIT_MS);
        until("the next question", || async { (asked() == 2).then_some(()) }).await;
        assert!(!host.control.addon(patient).await.unwrap().addon.is_settled());
    }
}
