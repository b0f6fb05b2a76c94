//! Rows `policy` and `policy_allocations`: what it costs to ask whether a guest may go somewhere.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use larder_domain::network::{Destinations, GRANTS_MAX, Policy, Scheme};

use crate::report::{Bound, Row};

const CHECKS: u32 = 1_000_000;

/// The system's allocator, which counts while it is told to: threads that count together slow each other down.
struct Counting;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: Every function hands its arguments on to the system's allocator as they are, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IS_COUNTING.load(Ordering::Relaxed) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: The caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: The caller keeps `dealloc`'s contract, and the pointer is from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// As many grants as there may be; the last one permits.
pub(crate) fn measure() -> Result<Vec<Row>> {
    let grants = (1..=GRANTS_MAX).map(|at| match at % 2 {
        0 => format!("tcp://db-{at}.example.com:5432").parse(),
        _ => format!("tcp://10.{at}.0.0/16:5432").parse(),
    });
    let list = Destinations::new(grants.collect::<Result<_, _>>()?);
    let policy = Policy::new(list.clone(), list);
    let (name, address): (String, SocketAddr) = (format!("db-{GRANTS_MAX}.example.com"), "203.0.113.7:5432".parse()?);
    IS_COUNTING.store(true, Ordering::Relaxed);
    let started = Instant::now();
    let mut permitted = 0_u32;
    for _ in 0..CHECKS {
        let by_name = policy.permits_name(Scheme::Tcp, black_box(&name), 5432);
        permitted += u32::from(by_name && !policy.permits_resolved(Scheme::Tcp, &name, black_box(address)));
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / f64::from(CHECKS);
    IS_COUNTING.store(false, Ordering::Relaxed);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) as f64 / f64::from(CHECKS);
    anyhow::ensure!(permitted == CHECKS, "the policy is not what was to be measured");
    let note = format!("a name and an address, {GRANTS_MAX} grants, the last one fits");
    let none = "while these were asked".to_owned();
    Ok(vec![
        Row { row: "policy", value: micros, bound: Bound::AtMost(2.0), unit: "µs", note },
        Row { row: "policy_allocs", value: allocations, bound: Bound::AtMost(0.0), unit: "allocations", note: none },
    ])
}
