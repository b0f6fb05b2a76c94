//! Memory of one call: every linear memory and every table of its store against one sum. The engine's own limiter looks
//! at each memory alone, so that a component with many of them would get many times its share.

use wasmtime::ResourceLimiter;

use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};

/// What a store holds, and may hold.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    held: usize,
    max: usize,
    refused: Option<usize>,
    granted_last: usize,
}

impl MemoryBudget {
    /// A budget of so many bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self { held: 0, max, refused: None, granted_last: 0 }
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
        self.granted_last = wished - self.held;
        self.held = wished;
        true
    }

    /// What was granted last was not to be had after all.
    fn give_back(&mut self) {
        self.held -= std::mem::take(&mut self.granted_last);
    }
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(size_of::<usize>());
        Ok(self.grow(bytes(current), bytes(desired)))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
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
    fn what_could_not_be_had_is_given_back_once() {
        let mut budget = MemoryBudget::new(1000);
        assert!(budget.memory_growing(0, 900, None).unwrap());
        budget.memory_grow_failed(wasmtime::format_err!("no memory")).unwrap();
        budget.memory_grow_failed(wasmtime::format_err!("no memory")).unwrap();
        assert!(budget.memory_growing(0, 1000, None).unwrap());
        assert_eq!(budget.refused(), None);
    }
}
