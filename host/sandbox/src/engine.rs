//! The engine's settings.
//!
//! Two things are decided here. The pool: slots for every call that may be under way, reserved once, so that a call
//! costs no `mmap` and no call can take what another one needs. And the language: guests get the WebAssembly that
//! compilers emit today; what they don't need is switched off, because that is where engines have their bugs.

use std::num::NonZeroUsize;

use larder_domain::limits::{INSTANCES_MAX, STACK_BYTES};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails, WasmFeatures,
};

use crate::config::{SandboxConfig, StartError};

/// Linear memories in one component.
pub(crate) const MEMORIES_MAX: u32 = 4;
/// Tables in one component.
pub(crate) const TABLES_MAX: u32 = 8;
/// Elements of one table. Python's interpreter has 5,670, StarlingMonkey 7,688.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Core instances in one component.
pub(crate) const CORE_INSTANCES_MAX: u32 = INSTANCES_MAX as u32;

/// A guest's stack, with room for the host functions that the guest calls, in bytes.
const ASYNC_STACK_BYTES: usize = 2 * 1024 * 1024;
/// Function names in the report of a trap.
const BACKTRACE_FRAMES_MAX: Option<NonZeroUsize> = NonZeroUsize::new(8);

/// Proposals that providers don't need. (Some are not even compiled in; naming them keeps it so when features unify.)
const SWITCHED_OFF: WasmFeatures = WasmFeatures::THREADS
    .union(WasmFeatures::SHARED_EVERYTHING_THREADS)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::LEGACY_EXCEPTIONS)
    .union(WasmFeatures::STACK_SWITCHING)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::CUSTOM_PAGE_SIZES)
    .union(WasmFeatures::WIDE_ARITHMETIC)
    .union(WasmFeatures::CM_ASYNC)
    .union(WasmFeatures::CM_ASYNC_STACKFUL)
    .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS)
    .union(WasmFeatures::CM_THREADING)
    .union(WasmFeatures::CM_ERROR_CONTEXT)
    .union(WasmFeatures::CM_FIXED_LENGTH_LISTS)
    .union(WasmFeatures::CM_GC)
    .union(WasmFeatures::CM_MAP)
    .union(WasmFeatures::CM64)
    .union(WasmFeatures::CM_IMPLEMENTS);

/// The engine that runs guests.
pub(crate) fn engine(config: &SandboxConfig) -> Result<Engine, StartError> {
    let mut settings = bare_engine_config(config);
    settings.epoch_interruption(true);
    Ok(Engine::new(&settings)?)
}

/// The same engine without its pool, which reserves terabytes and is of no use to a compiler: the code is the same.
pub(crate) fn compiling_config() -> Config {
    let mut settings = language();
    settings.epoch_interruption(true);
    settings
}

/// The sandbox's engine without the interruption of guests: what its limits cost is measured against this.
#[must_use]
pub fn bare_engine_config(config: &SandboxConfig) -> Config {
    let mut settings = language();
    settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    settings
}

fn language() -> Config {
    let mut settings = Config::new();
    settings
        .concurrency_support(false)
        .wasm_features(SWITCHED_OFF, false)
        .shared_memory(false)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(ASYNC_STACK_BYTES)
        // Names are enough to find a bug; reading a hostile guest's DWARF is not worth its lines.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(BACKTRACE_FRAMES_MAX);
    settings
}

fn pool(config: &SandboxConfig) -> PoolingAllocationConfig {
    let calls = config.calls_max.max(1);
    let mut pool = PoolingAllocationConfig::new();
    // Each total is the bound of one component times the calls: a call that has a slot never finds the pool empty.
    pool.total_component_instances(calls)
        .total_stacks(calls)
        .total_core_instances(calls.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(calls.saturating_mul(MEMORIES_MAX))
        .total_tables(calls.saturating_mul(TABLES_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        // Cleaning only the pages that a call has touched is what lets short calls scale over threads.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(config.keep_resident_bytes)
        .table_keep_resident(config.keep_resident_bytes)
        .max_unused_warm_slots(config.warm_slots_max);
    pool
}
