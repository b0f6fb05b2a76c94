//! The worker over a scripted runtime: what no real guest can be told to do at the right moment.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, and so do its helpers")]

mod engines;
mod grace;
mod jumps;
mod meanwhile;
mod networks;
mod objects;
mod operations;
mod ownership;
mod providers;
mod secrets;
mod support;
mod transfers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larder_domain::addon::Cleanup;
use larder_domain::config::{RawConfig, RawEntry};
use larder_domain::failure::{Fault, FaultCode, GuestFailure, Pending};
use larder_domain::limits::AFTER_MS_MAX;
use larder_domain::ports::runtime::{CallReport, Export, GuestState, LogLine, Reply};
use larder_domain::ports::store::{AddonStore, ObjectStore};
use larder_domain::work::LEASE_MS;
use larder_domain::{AddonState, SecretString};

use larder_store::ManualClock;
use support::{TestHost, report, until, usual};
use tokio::sync::Semaphore;
use tokio::time::Instant;

#[tokio::test]
async fn variables_reach_the_sink_before_ready_and_leave_it_with_the_addon() {
    let host = TestHost::start(&["honest"]).await;
    let id = host.create("honest", "one").await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    assert!(host.sink.has.lock().unwrap().contains(&id));
    host.control.delete_addon(id, false).await.unwrap();
    until("the sink to forget it", || async { (!host.sink.has.lock().unwrap().contains(&id)).then_some(()) }).await;
}

#[tokio::test]
async fn what_changes_during_a_call_is_looked_at_when_the_call_has_ended() {
    let host = TestHost::start(&["patient"]).await;
    let done = Arc::new(AtomicBool::new(false));
    let answer = {
        let done = Arc::clone(&done);
        move |export| match export {
            Export::ProvisionComplete if !done.load(Ordering::SeqCst) => {
                report(Ok(Ok(Reply::Pending(Pending::bounded(AFTER_MS_MAX, "starting".into(), None)))))
            }
            other => report(usual(other)),
        }
    };
    host.script.answers.lock().unwrap().insert("patient".into(), Box::new(answer));
    let gate = Arc::new(Semaphore::new(1));
    host.script.held.lock().unwrap().insert("patient".into(), Arc::clone(&gate));
    let id = host.create("patient", "one").await.spec.id;
    until("the call", || async { (host.calls("patient", Export::ProvisionComplete) == 1).then_some(()) }).await;
    // It is being told to come again in an hour while what it waits for happens.
    host.store.poke_addon(id).await.unwrap();
    gate.add_permits(1);
    until("another call", || async { (host.calls("patient", Export::ProvisionComplete) == 2).then_some(()) }).await;
    done.store(true, Ordering::SeqCst);
    gate.add_permits(10);
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    assert_eq!(host.calls("patient", Export::ProvisionComplete), 2);
}

#[tokio::test]
async fn a_sink_that_keeps_refusing_ends_in_error_and_the_provider_cleans_up_once() {
    let clock = Arc::new(ManualClock::default());
    let host = TestHost::start_at(&["honest"], clock.clone()).await;
    host.sink.refuses.store(true, Ordering::SeqCst);
    let id = host.create("honest", "one").await.spec.id;
    let refusals = || async {
        let history = host.control.history(Some(id), 0, 100).await.unwrap();
        history.iter().filter(|entry| entry.data["call"] == "set-variables").count()
    };
    let mut seen = 0;
    loop {
        until("another refusal", || async { (refusals().await > seen).then_some(()) }).await;
        seen = refusals().await;
        assert!(host.control.app_config(&"demo".parse().unwrap()).await.unwrap().is_empty());
        // The last refusal comes with the end. Time must not jump then: the cleanup holds a lease.
        if host.control.addon(id).await.unwrap().addon.state == AddonState::Error {
            break;
        }
        clock.advance_ms(60_000);
    }
    let record = host.control.addon(id).await.unwrap();
    assert_eq!(record.addon.error.unwrap().code, "variables_not_set");
    until("the cleanup", || async {
        (host.control.addon(id).await.unwrap().addon.cleanup == Cleanup::Done).then_some(())
    })
    .await;
    assert_eq!(host.calls("honest", Export::Deprovision), 1);
    assert!(host.control.app_config(&"demo".parse().unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deletion_drops_the_call_under_way_and_cleans_up_without_overlap() {
    let host = TestHost::start(&["stuck"]).await;
    host.script.hanging.lock().unwrap().insert("stuck".into());
    let id = host.create("stuck", "one").await.spec.id;
    until("the call", || async { (host.calls("stuck", Export::BeginProvision) > 0).then_some(()) }).await;
    let deleted = host.control.delete_addon(id, false).await.unwrap();
    assert_eq!(deleted.addon.state, AddonState::Deprovisioned);
    let cleanup = until("the cleanup", || async {
        (host.control.addon(id).await.unwrap().addon.cleanup == Cleanup::Done).then_some(())
    });
    tokio::time::timeout(Duration::from_secs(5), cleanup).await.expect("long before the lease would have run out");
    assert!(!host.script.overlapped.load(Ordering::SeqCst));
    assert_eq!(host.calls("stuck", Export::BeginProvision), 1);
}

#[tokio::test]
async fn a_provider_that_never_answers_takes_its_share_and_no_more() {
    let host = TestHost::start(&["stuck", "honest"]).await;
    host.script.hanging.lock().unwrap().insert("stuck".into());
    // All at once, so that far more than its share is due when the worker looks.
    let names: Vec<_> = (0..larder_control::worker::CALLS_PER_PROVIDER_MAX * 3).map(|n| format!("stuck-{n}")).collect();
    futures_util::future::join_all(names.iter().map(|name| host.create("stuck", name))).await;
    until("the stuck provider's share to be used up", || async {
        (host.calls("stuck", Export::BeginProvision) == larder_control::worker::CALLS_PER_PROVIDER_MAX).then_some(())
    })
    .await;
    for number in 0..50 {
        let id = host.create("honest", &format!("honest-{number}")).await.spec.id;
        assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    }
    assert_eq!(host.calls("stuck", Export::BeginProvision), larder_control::worker::CALLS_PER_PROVIDER_MAX);
}

/// The middle one of the times that so many addons took to become ready, one after the other.
async fn time_to_ready(host: &TestHost, provider: &str, names: &str) -> Duration {
    let mut took = vec![];
    for number in 0..21 {
        let began = Instant::now();
        let id = host.create(provider, &format!("{names}-{number}")).await.spec.id;
        assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took[took.len() / 2]
}

#[tokio::test]
async fn a_provider_with_ten_times_the_work_of_others_does_not_slow_them_down() {
    const GREEDY: usize = 10 * 2 * 21;
    let host = TestHost::start(&["greedy", "honest", "other"]).await;
    let alone = time_to_ready(&host, "honest", "alone").await;
    // A few of its calls come to an end, and the others none: as slow as can be, and always with more to do than its share.
    let let_go = Arc::new(Semaphore::new(0));
    host.script.held.lock().unwrap().insert("greedy".into(), Arc::clone(&let_go));
    let names: Vec<_> = (0..GREEDY).map(|n| format!("greedy-{n}")).collect();
    futures_util::future::join_all(names.iter().map(|name| host.create("greedy", name))).await;
    let share = larder_control::worker::CALLS_PER_PROVIDER_MAX;
    until("its share to be used up", || async {
        (host.calls("greedy", Export::BeginProvision) >= share).then_some(())
    })
    .await;
    let_go.add_permits(share);
    let (one, two) = tokio::join!(time_to_ready(&host, "honest", "one"), time_to_ready(&host, "other", "two"));
    println!("{alone:?} alone, {one:?} and {two:?} beside the greedy one");
    let waiting = GREEDY - host.calls("greedy", Export::BeginProvision);
    assert!(waiting > GREEDY / 2, "the others were not behind its work, of which {waiting} had not begun");
    // A loose bound: whoever waited for the greedy one would wait for ever.
    for beside in [one, two] {
        assert!(beside < alone * 10 + Duration::from_millis(500), "{alone:?} alone, {beside:?} beside it");
    }
}

#[tokio::test]
async fn a_fault_of_the_hosts_own_is_no_attempt_of_the_providers() {
    let host = TestHost::start(&["honest"]).await;
    let failures = std::sync::atomic::AtomicU32::new(0);
    let answer = move |export| match export {
        Export::BeginProvision if failures.fetch_add(1, Ordering::SeqCst) < 2 => {
            report(Err(Fault { code: FaultCode::Host, detail: "no room for another call".into() }))
        }
        other => report(usual(other)),
    };
    host.script.answers.lock().unwrap().insert("honest".into(), Box::new(answer));
    let id = host.create("honest", "one").await.spec.id;
    let record = host.settled(id).await;
    assert_eq!((record.addon.state, record.addon.attempts), (AddonState::Ready, 0));
    assert_eq!(host.calls("honest", Export::BeginProvision), 3);
}

#[tokio::test]
async fn an_answer_that_a_function_can_not_give_is_never_believed() {
    let host = TestHost::start(&["liar"]).await;
    let answer = |export| match export {
        Export::ProvisionComplete => report(Ok(Ok(Reply::Begun("I am done, trust me".into())))),
        other => report(usual(other)),
    };
    host.script.answers.lock().unwrap().insert("liar".into(), Box::new(answer));
    let id = host.create("liar", "one").await.spec.id;
    until("the answer", || async { (host.calls("liar", Export::ProvisionComplete) > 0).then_some(()) }).await;
    assert_eq!(host.control.addon(id).await.unwrap().addon.state, AddonState::WaitingForProvision);
}

#[tokio::test]
async fn a_begin_that_leaves_nothing_behind_is_stored_with_the_next_answer() {
    let clock = Arc::new(ManualClock::default());
    let host = TestHost::start_at(&["quick"], clock.clone()).await;
    let answer = move |export| {
        if export == Export::ProvisionComplete {
            clock.advance_ms(1_000);
        }
        report(usual(export))
    };
    host.script.answers.lock().unwrap().insert("quick".into(), Box::new(answer));
    let mut number = 0;
    // On a machine that stands still for moments, some may take so long that it is stored before.
    until("one that is stored at once", || {
        number += 1;
        let host = &host;
        async move {
            let id = host.create("quick", &format!("a{number}")).await.spec.id;
            host.settled(id).await;
            let history = host.control.history(Some(id), 0, 100).await.unwrap();
            let calls: Vec<_> = history.iter().filter(|entry| entry.kind == "call").collect();
            let [begun, done] = calls[..] else { panic!("{history:?}") };
            (begun.at == done.at).then_some(())
        }
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_a_slow_call_sees_that_its_addon_has_begun() {
    let host = TestHost::start(&["slow"]).await;
    let gate = Arc::new(Semaphore::new(1));
    host.script.held.lock().unwrap().insert("slow".into(), gate.clone());
    let id = host.create("slow", "one").await.spec.id;
    until("the next call", || async { (host.calls("slow", Export::ProvisionComplete) > 0).then_some(()) }).await;
    until("its beginning", || async { host.control.addon(id).await.unwrap().addon.begun.then_some(()) }).await;
    assert_eq!(host.calls("slow", Export::GetConfig), 0, "the call goes on");
    gate.add_permits(9);
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    assert_eq!(host.calls("slow", Export::BeginProvision), 1);
}

#[tokio::test]
async fn what_a_begin_remembers_is_stored_before_the_next_call() {
    let host = TestHost::start(&["careful"]).await;
    let written = GuestState::from([("database".into(), b"db-7".to_vec())]);
    let kept = written.clone();
    let answer = move |export| match export {
        Export::BeginProvision => CallReport { state: Some(written.clone()), ..report(usual(export)) },
        other => report(usual(other)),
    };
    host.script.answers.lock().unwrap().insert("careful".into(), Box::new(answer));
    let gate = Arc::new(Semaphore::new(1));
    host.script.held.lock().unwrap().insert("careful".into(), gate.clone());
    let id = host.create("careful", "one").await.spec.id;
    until("the next call", || async { (host.calls("careful", Export::ProvisionComplete) > 0).then_some(()) }).await;
    assert_eq!(host.store.guest_state(id).await.unwrap(), kept);
    assert!(host.control.addon(id).await.unwrap().addon.begun);
}

#[tokio::test]
async fn what_a_done_has_written_stays_when_get_config_breaks_down() {
    let host = TestHost::start(&["forgetful"]).await;
    let written = GuestState::from([("database".into(), b"db-7".to_vec())]);
    let kept = written.clone();
    let answer = move |export| match export {
        Export::ProvisionComplete => CallReport { state: Some(written.clone()), ..report(usual(export)) },
        Export::GetConfig => report(Err(Fault { code: FaultCode::Trap, detail: "unreachable".into() })),
        other => report(usual(other)),
    };
    host.script.answers.lock().unwrap().insert("forgetful".into(), Box::new(answer));
    let id = host.create("forgetful", "one").await.spec.id;
    until("the state", || async { (host.store.guest_state(id).await.unwrap() == kept).then_some(()) }).await;
}

#[tokio::test]
async fn secrets_that_the_host_knows_are_blotted_out_of_all_that_is_said() {
    let host = TestHost::start(&["gossip"]).await;
    let line = |text: &str| LogLine { stream: "stdout", text: text.into() };
    let answer = move |export| match export {
        // A value of the configuration that is made only afterwards.
        Export::ProvisionComplete => {
            CallReport { log: vec![line("login with pa55word works")], ..report(usual(export)) }
        }
        Export::GetConfig => {
            let thing = RawEntry { name: "THING".into(), value: SecretString::new("pa55word"), secret: true };
            report(Ok(Ok(Reply::Config(RawConfig { variables: vec![thing], credentials: vec![] }))))
        }
        Export::Deprovision => CallReport {
            log: vec![line("dropping the user of pa55word"), line("cut pa55"), line("word")],
            ..report(Ok(Err(GuestFailure::Failed("pa55word is still in use".into()))))
        },
        other => report(usual(other)),
    };
    host.script.answers.lock().unwrap().insert("gossip".into(), Box::new(answer));
    let id = host.create("gossip", "one").await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    host.control.delete_addon(id, false).await.unwrap();
    assert_eq!(
        host.control.addon_config(id).await.unwrap().config,
        None,
        "readable no more, though kept for the cleanup"
    );
    until("the failed cleanup", || async {
        matches!(host.control.addon(id).await.unwrap().addon.cleanup, Cleanup::Failing { .. }).then_some(())
    })
    .await;
    let log = host.control.addon_log(id, 0, 100).await.unwrap();
    let said: Vec<&str> = log.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(said, ["login with •••• works", "dropping the user of ••••", "cut ••••", "••••"]);
    let history = format!("{:?}", host.control.history(Some(id), 0, 100).await.unwrap());
    assert!(!history.contains("pa55word") && history.contains("•••• is still in use"), "{history}");
}

#[tokio::test]
async fn a_call_that_outlives_its_lease_is_ended_before_the_next_begins() {
    let clock = Arc::new(ManualClock::default());
    let host = TestHost::start_at(&["stuck"], clock.clone()).await;
    host.script.hanging.lock().unwrap().insert("stuck".into());
    host.create("stuck", "one").await;
    until("the call", || async { (host.calls("stuck", Export::BeginProvision) == 1).then_some(()) }).await;
    // Nobody has renewed the lease, so the work is due again while the call still runs.
    clock.advance_ms(LEASE_MS + 1);
    until("the next call", || async { (host.calls("stuck", Export::BeginProvision) == 2).then_some(()) }).await;
    assert!(!host.script.overlapped.load(Ordering::SeqCst));
}
