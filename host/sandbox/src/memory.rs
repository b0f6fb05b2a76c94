//! Memory of one call: every linear memory and every table of its store, and what the host keeps for it, against one
//! sum. The engine's own limiter looks at each memory alone, so that a component with many of them would get many times
//! its share. All calls together draw on what the host gives to guests.
//!
//! What the host keeps is counted as much as it can become, not byte by byte: the log, the addon's state and the
//! arguments of one host call from the beginning, resources and connections as a guest makes them.
//!
//! A call never gives back before its end. The engine does report growth that failed after it was granted, but also
//! growth for which it never asked; a guest could make it do so at will, and refunds would let it hold more than its sum.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_domain::limits::{CallLimits, kept_bytes};
use wasmtime::ResourceLimiter;

use crate::engine::{MEMORIES_MAX, TABLES_MAX};

/// Calls draw on the host's memory in portions of so many bytes. Most calls need one.
const PORTION_BYTES: usize = 4 * 1024 * 1024;

/// What the host keeps of one resource at most: the longest headers that a guest can write, the longest path, and a chunk of a body.
const RESOURCE_BYTES: usize = 32 * 1024;
/// What the host keeps of one connection at most: a buffer for each direction, and TLS's own.
const CONNECTION_BYTES: usize = 128 * 1024;

/// What the host gives to all guests together.
#[derive(Debug)]
pub(crate) struct HostMemory {
    max: usize,
    left: AtomicUsize,
}

impl HostMemory {
    /// So many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { max: bytes, left: AtomicUsize::new(bytes) }
    }

    /// How many bytes are taken, and how many there are.
    pub(crate) fn usage(&self) -> (u64, u64) {
        let taken = self.max.saturating_sub(self.left.load(Ordering::Relaxed));
        (taken as u64, self.max as u64)
    }

    fn take(&self, bytes: usize) -> bool {
        self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What a store holds, and may hold. Its copies are one.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBudget {
    sum: Arc<Mutex<Sum>>,
    instances: usize,
}

#[derive(Debug)]
struct Sum {
    held: usize,
    max: usize,
    refused: Option<Refused>,
    refused_bytes: usize,
    /// Resources that were counted.
    resources: usize,
    /// How much of `held`, or more, was taken from the host.
    taken: usize,
    host: Arc<HostMemory>,
}

/// Why a guest did not get more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It would have held so many bytes.
    TooMuch(usize),
    /// The host had none left.
    HostHasNone,
}

/// A guest can't have what it wants of the host, for want of memory.
#[derive(Debug, thiserror::Error)]
#[error("the call's memory is used up")]
pub(crate) struct MemorySpent;

impl MemoryBudget {
    /// The budget of a call.
    pub(crate) fn new(limits: &CallLimits, host: Arc<HostMemory>) -> Self {
        let held = kept_bytes(limits.log_bytes, limits.hostcall_bytes);
        Self { sum: Arc::new(Mutex::new(Sum::new(held, limits.memory_bytes, host))), instances: limits.instances }
    }

    /// Why the guest's last wish was not granted.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.sum().refused
    }

    /// The guest has so many resources, or had: as many as the highest number among them says.
    ///
    /// # Errors
    /// They would keep too much.
    pub(crate) fn count_resources(&self, resources: usize) -> Result<(), MemorySpent> {
        let mut sum = self.sum();
        let more = resources.saturating_sub(sum.resources);
        if !sum.grow(0, more.saturating_mul(RESOURCE_BYTES)) {
            return Err(MemorySpent);
        }
        sum.resources += more;
        Ok(())
    }

    /// Whether the guest may have one more connection.
    pub(crate) fn count_connection(&self) -> bool {
        self.sum().grow(0, CONNECTION_BYTES)
    }

    fn sum(&self) -> MutexGuard<'_, Sum> {
        // Nothing in here can panic half-way.
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sum {
    fn new(held: usize, max: usize, host: Arc<HostMemory>) -> Self {
        Self { held, max, refused: None, refused_bytes: 0, resources: 0, taken: 0, host }
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let more = desired.saturating_sub(current);
        let wished = self.held.saturating_add(more);
        if wished > self.max {
            return self.refuse(more, Refused::TooMuch(wished));
        }
        if wished > self.taken {
            let portions = (wished - self.taken).next_multiple_of(PORTION_BYTES);
            if !self.host.take(portions) {
                return self.refuse(more, Refused::HostHasNone);
            }
            self.taken += portions;
        }
        self.held = wished;
        // A guest that got as much later has coped with the refusal. Less may be what its last words took.
        if more >= self.refused_bytes {
            self.refused = None;
        }
        true
    }

    fn refuse(&mut self, bytes: usize, why: Refused) -> bool {
        self.refused = Some(why);
        self.refused_bytes = bytes;
        false
    }
}

impl Drop for Sum {
    fn drop(&mut self) {
        self.host.give_back(self.taken);
    }
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(fits(desired, maximum) && self.sum().grow(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(size_of::<usize>());
        Ok(fits(desired, maximum) && self.sum().grow(bytes(current), bytes(desired)))
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}

/// Growth beyond the memory's own maximum would fail later; failing now keeps it out of the sum.
fn fits(desired: usize, maximum: Option<usize>) -> bool {
    maximum.is_none_or(|maximum| desired <= maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(max: usize) -> MemoryBudget {
        of(max, Arc::new(HostMemory::new(usize::MAX)))
    }

    fn of(max: usize, host: Arc<HostMemory>) -> MemoryBudget {
        MemoryBudget { sum: Arc::new(Mutex::new(Sum::new(0, max, host))), instances: 1 }
    }

    #[test]
    fn memories_and_tables_share_one_sum() {
        let mut budget = budget(1000);
        assert!(budget.memory_growing(0, 600, None).unwrap());
        assert!(budget.table_growing(0, 50, None).unwrap(), "600 and 400 bytes are allowed");
        assert!(!budget.memory_growing(600, 601, None).unwrap());
        assert_eq!(budget.refused(), Some(Refused::TooMuch(1001)));
    }

    #[test]
    fn growth_beyond_a_memorys_own_maximum_costs_nothing() {
        let mut budget = budget(1000);
        assert!(!budget.memory_growing(0, 900, Some(800)).unwrap());
        assert!(budget.memory_growing(0, 1000, Some(1000)).unwrap());
        assert_eq!(budget.refused(), None);
    }

    #[test]
    fn a_refusal_is_remembered_until_as_much_was_had() {
        let mut budget = budget(1000);
        assert!(!budget.memory_growing(0, 1001, None).unwrap());
        assert!(budget.memory_growing(0, 100, None).unwrap(), "what a panic takes to say so");
        assert_eq!(budget.refused(), Some(Refused::TooMuch(1001)));
        assert!(!budget.memory_growing(100, 1100, None).unwrap());
        assert!(!budget.memory_growing(100, 1001, None).unwrap());
        assert!(budget.memory_growing(100, 1000, None).unwrap());
        assert_eq!(budget.refused(), Some(Refused::TooMuch(1001)), "a byte less");
        let mut coping = self::budget(1000);
        assert!(!coping.memory_growing(900, 1901, None).unwrap());
        assert!(!coping.memory_growing(0, 1001, None).unwrap());
        coping.sum().max = 2000;
        assert!(coping.memory_growing(0, 1001, None).unwrap());
        assert_eq!(coping.refused(), None);
    }

    #[test]
    fn failed_growth_is_not_refunded() {
        let mut budget = budget(1000);
        assert!(budget.memory_growing(0, 900, None).unwrap());
        budget.memory_grow_failed(wasmtime::format_err!("never asked for")).unwrap();
        assert!(!budget.memory_growing(900, 1001, None).unwrap());
    }

    #[test]
    fn calls_share_what_the_host_gives_and_return_it() {
        let host = Arc::new(HostMemory::new(3 * PORTION_BYTES));
        let new = || of(usize::MAX, Arc::clone(&host));
        let (mut one, mut other) = (new(), new());
        assert!(one.memory_growing(0, PORTION_BYTES + 1, None).unwrap());
        assert!(other.memory_growing(0, PORTION_BYTES, None).unwrap());
        assert!(one.memory_growing(PORTION_BYTES + 1, 2 * PORTION_BYTES, None).unwrap(), "its portion has room");
        assert!(!other.table_growing(0, 1, None).unwrap());
        assert_eq!(other.refused(), Some(Refused::HostHasNone));
        drop(one);
        assert!(other.table_growing(0, 1, None).unwrap());
        drop(other);
        assert_eq!(host.left.load(Ordering::Relaxed), 3 * PORTION_BYTES);
    }

    #[test]
    fn what_the_host_keeps_counts_too() {
        let limits = CallLimits { memory_bytes: 4 << 20, ..CallLimits::default() };
        let mut budget = MemoryBudget::new(&limits, Arc::new(HostMemory::new(usize::MAX)));
        let free = limits.memory_bytes - kept_bytes(limits.log_bytes, limits.hostcall_bytes);
        budget.count_resources(3).unwrap();
        budget.count_resources(2).unwrap();
        assert!(budget.count_connection());
        let free = free - 3 * RESOURCE_BYTES - CONNECTION_BYTES;
        assert!(!budget.memory_growing(0, free + 1, None).unwrap() && budget.memory_growing(0, free, None).unwrap());
        assert!(!budget.count_connection());
        budget.count_resources(4).unwrap_err();
        assert_eq!(budget.refused(), Some(Refused::TooMuch((4 << 20) + RESOURCE_BYTES)));
    }
}
