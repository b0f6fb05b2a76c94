//! Memory of one call: every linear memory and every table of its store against one sum. The engine's own limiter looks
//! at each memory alone, so that a component with many of them would get many times its share.
//!
//! Nothing is ever given back. The engine does report growth that failed after it was granted, but also growth for
//! which it never asked; a guest could make it do so at will, and refunds would let it hold more than its sum.

use wasmtime::ResourceLimiter;

use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};

/// What a store holds, and may hold.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    held: usize,
    max: usize,
    refused: Option<usize>,
}

impl MemoryBudget {
    /// A budget of so many bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self { held: 0, max, refused: None }
    }

    /// How many bytes the guest would have held, had its last refused wish been granted.
    pub(crate) fn refused(&self) -> Option<usize> {
        self.refused
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let wished = self.held.saturating_add(desired.saturating_sub(current));
        if wished > self.max {
            self.refused = Some(wished);
            return false;
        }
        self.held = wished;
        true
    }
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(fits(desired, maximum) && self.grow(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(size_of::<usize>());
        Ok(fits(desired, maximum) && self.grow(bytes(current), bytes(desired)))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
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

    #[test]
    fn memories_and_tables_share_one_sum() {
        let mut budget = MemoryBudget::new(1000);
        assert!(budget.memory_growing(0, 600, None).unwrap());
        assert!(budget.table_growing(0, 50, None).unwrap(), "600 and 400 bytes are allowed");
        assert!(!budget.memory_growing(600, 601, None).unwrap());
        assert_eq!(budget.refused(), Some(1001));
    }

    #[test]
    fn growth_beyond_a_memorys_own_maximum_costs_nothing() {
        let mut budget = MemoryBudget::new(1000);
        assert!(!budget.memory_growing(0, 900, Some(800)).unwrap());
        assert!(budget.memory_growing(0, 1000, Some(1000)).unwrap());
        assert_eq!(budget.refused(), None);
    }

    #[test]
    fn failed_growth_is_not_refunded() {
        let mut budget = MemoryBudget::new(1000);
        assert!(budget.memory_growing(0, 900, None).unwrap());
        budget.memory_grow_failed(wasmtime::format_err!("never asked for")).unwrap();
        assert!(!budget.memory_growing(900, 1001, None).unwrap());
    }
}
