//! Runs providers. A provider is a WebAssembly component that nobody here trusts.
//!
//! # Theory
//!
//! What keeps guests apart from the host and from each other, and where it lives:
//!
//! * **Nothing is shared.** Every call gets a store and an instance of its own, made from a prepared `loaded` version
//!   and destroyed afterwards (`call`). A store is never entered again after a trap, a limit or a dropped future.
//! * **Time.** Executed CPU time is the thread's own clock, summed over the polls of the call's future (`meter`), so
//!   waiting is free. A plain thread moves the engine's epoch (`ticker`); at each tick a running guest is asked what
//!   it has used, and then makes room for its neighbours. Wall time is a timer around the whole call. Start functions,
//!   `cabi_realloc` and post-return run under the same future, so none of them can hide.
//! * **Memory.** All memories and tables of a store count against one sum, and all stores against what the host gives
//!   them (`memory`); the pool bounds how many there can be (`engine`). What guests hand over, and what the host keeps
//!   for them, is bounded in bytes, handles and log lines.
//! * **The world.** A guest reaches what the `linker` offers and no more: the interfaces of `larder:host`, each a
//!   file of `capability`, and an empty WASI.
//! * **Threads.** Guests run on their own (`threads`), never on those that serve HTTP.
//!
//! Whatever goes wrong ends as a `fault` that names the limit, or says that it was the host's own. Uploads pass
//! `larder_inspect` before they are compiled (`compile`).
//!
//! What a maintainer can get wrong: a host function that computes for long without an `await` can't be interrupted, so
//! each must be bounded by the size of what it was given; and anything that outlives the call must be bounded when the
//! guest adds to it, not when the call ends.

mod answer;
mod bindings;
mod call;
mod capability;
mod compile;
mod config;
mod data;
mod engine;
mod fault;
mod lease;
mod linker;
mod loaded;
mod memory;
mod meter;
mod runtime;
mod threads;
mod ticker;

pub use capability::tls::{Roots, RootsError};
pub use compile::{ArtefactDir, COMPILE_COMMAND, compile_child};
pub use config::{Compile, SandboxConfig, StartError};
pub use engine::bare_engine_config;
pub use larder_inspect::COMPONENT_BYTES_MAX;
pub use runtime::Sandbox;
