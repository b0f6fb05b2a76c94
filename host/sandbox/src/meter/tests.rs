//! What is charged, and when it is enough.

use std::future::{pending, poll_fn};
use std::pin::pin;

use tokio::task::yield_now;

use super::*;
use crate::lease::tests::losable;

fn limits(cpu_ms: u64, wall_ms: u64) -> CallLimits {
    CallLimits { cpu: Duration::from_millis(cpu_ms), wall: Duration::from_millis(wall_ms), ..CallLimits::default() }
}

fn compute(time: Duration) {
    let end = thread_cpu() + time;
    while thread_cpu() < end {}
}

#[tokio::test]
async fn executed_time_adds_up_and_waiting_is_free() {
    let work = pin!(async {
        for _ in 0..4 {
            compute(Duration::from_millis(5));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let ended = Metered::new(work, limits(10_000, 10_000), Lease::default()).await;
    assert_eq!(ended.outcome, Ok(()));
    assert!(ended.cpu >= Duration::from_millis(20) && ended.cpu < Duration::from_millis(60), "{:?}", ended.cpu);
    assert!(ended.wall >= Duration::from_millis(100));
}

#[tokio::test]
async fn small_portions_are_charged_too() {
    let work = pin!(async {
        loop {
            compute(Duration::from_millis(1));
            yield_now().await;
        }
    });
    let ended: Ended<()> = Metered::new(work, limits(20, 10_000), Lease::default()).await;
    assert_eq!(ended.outcome, Err(Over::Cpu));
    assert!(ended.cpu < Duration::from_millis(40));
}

#[tokio::test]
async fn waiting_ends_with_the_wall_limit() {
    let ended: Ended<()> = Metered::new(pin!(pending()), limits(1000, 30), Lease::default()).await;
    assert_eq!(ended.outcome, Err(Over::Wall));
    assert!(ended.cpu < Duration::from_millis(20));
}

#[tokio::test]
async fn a_first_poll_that_takes_too_long_ends_the_call_as_well() {
    let mut polled = false;
    let work = pin!(poll_fn(|_| {
        assert!(!polled, "it must not be polled again");
        polled = true;
        compute(Duration::from_millis(30));
        Poll::<()>::Pending
    }));
    assert_eq!(Metered::new(work, limits(1000, 10), Lease::default()).await.outcome, Err(Over::Wall));
}

#[tokio::test]
async fn a_tick_within_a_poll_knows_what_is_left() {
    let work = pin!(async {
        assert!(on_tick().is_ok());
        compute(Duration::from_millis(20));
        on_tick().is_err()
    });
    assert_eq!(Metered::new(work, limits(15, 10_000), Lease::default()).await.outcome, Ok(true));
}

#[tokio::test]
async fn a_call_without_its_lease_gets_no_more_turns() {
    let (losable, lease) = losable();
    let turns = std::cell::Cell::new(0);
    let work = pin!(async {
        loop {
            turns.set(turns.get() + 1);
            if turns.get() == 3 {
                losable.lose();
            }
            yield_now().await;
        }
    });
    let ended: Ended<()> = Metered::new(work, limits(10_000, 10_000), lease).await;
    assert_eq!((ended.outcome, turns.get()), (Err(Over::Lease), 3));
}
