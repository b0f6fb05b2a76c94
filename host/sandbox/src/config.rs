//! What an operator can set about the sandbox as a whole, and why it may not start. What a single call may use is
//! [`larder_domain::limits::CallLimits`].

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;

use crate::capability::tls::Roots;
use crate::compile::ArtefactDir;

/// Where components are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compile {
    /// In a child process: this program, which runs [`crate::compile_child`] when its first argument is
    /// [`crate::COMPILE_COMMAND`].
    InChild(PathBuf),
    /// In this process, without a bound on what it costs: for components that somebody trusts.
    Here,
}

/// The sandbox as a whole.
#[derive(Clone)]
pub struct SandboxConfig {
    /// Where components are compiled.
    pub compile: Compile,
    /// Where what was compiled is kept; nowhere, if left out.
    pub artefacts: Option<ArtefactDir>,
    /// Authorities that servers' certificates may be signed by, beside the platform's.
    pub roots: Roots,
    /// Calls under way at once; further ones wait.
    pub calls_max: u32,
    /// What the memories and tables of all calls may hold together, in bytes. Nothing is reserved, and much of what
    /// guests hold they never touch.
    pub memory_bytes_max: usize,
    /// Threads that run guests.
    pub guest_threads: usize,
    /// How much of a finished call's memory is cleaned by hand and kept for the next call, in bytes. Less saves memory,
    /// more saves page faults.
    pub keep_resident_bytes: usize,
    /// How many unused memories are kept warm.
    pub warm_slots_max: u32,
}

impl SandboxConfig {
    /// The settings that serve most machines.
    #[must_use]
    pub fn compiling(compile: Compile) -> Self {
        Self {
            compile,
            artefacts: None,
            roots: Roots::default(),
            calls_max: 1000,
            memory_bytes_max: 8 * 1024 * 1024 * 1024,
            guest_threads: available_parallelism().map_or(1, NonZeroUsize::get),
            keep_resident_bytes: 1024 * 1024,
            warm_slots_max: 64,
        }
    }
}

/// Why the sandbox could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine refused its settings, or the address space for its pools was not to be had.
    #[error("the WebAssembly engine could not be set up; if address space is scarce, allow fewer calls at once: {0:#}")]
    Engine(wasmtime::Error),
    /// The directory for compiled components can't be used.
    #[error("the directory for compiled components can't be used; make it writable for the host, or choose another")]
    Artefacts(#[source] std::io::Error),
    /// A thread could not be made.
    #[error("no thread for guests could be started")]
    Threads(#[source] std::io::Error),
}

impl From<wasmtime::Error> for StartError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Engine(error)
    }
}
