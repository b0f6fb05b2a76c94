//! The child's side: a process that compiles one component and ends.
//!
//! It reads the component from its standard input and writes what came of it to its standard output: one byte that says
//! which, then machine code or words. Before it reads anything, it gives up whatever it could do harm with: it may
//! use so much memory and CPU, write no file, and is the first that the system ends when memory is short; it dies with
//! the thread that started it. It knows no secret: its environment is empty, and nothing that it makes is believed
//! unless the parent has read it from the pipe.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use larder_inspect::COMPONENT_BYTES_MAX;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use wasmtime::{Engine, OutOfMemory};

use crate::engine::compiling_config;
use crate::fault::short;

/// The hidden command of the program that runs [`compile_child`].
pub const COMPILE_COMMAND: &str = "compile-component";

/// What follows is machine code.
pub(super) const CODE: u8 = b'c';
/// What follows is the compiler's word on why there is none.
pub(super) const REFUSED: u8 = b'r';
/// Nothing follows: its memory was used up, and it noticed.
pub(super) const NO_MEMORY: u8 = b'm';
/// What follows says why the child could not begin.
pub(super) const UNFIT: u8 = b'u';

/// CPU time of a compile, in seconds.
pub(super) const CPU_S_MAX: u64 = 120;
/// How much more patient the system is when the compiler has the machine to itself; others come first.
const NICENESS: i32 = 10;
/// Open files. It needs three, and the engine one for a moment.
const FILES_MAX: u64 = 16;

/// Compiles the component on standard input. `arguments` are those that the parent gave after [`COMPILE_COMMAND`].
pub fn compile_child<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> ExitCode {
    let mut numbers = arguments.into_iter().filter_map(|a| a.as_ref().to_str()?.parse::<u64>().ok());
    let (Some(parent), Some(memory_bytes)) = (numbers.next(), numbers.next()) else {
        return ExitCode::FAILURE;
    };
    let (kind, answer) = match confine(parent, memory_bytes) {
        Ok(()) => match compile() {
            Ok(code) => (CODE, code),
            Err(error) if is_out_of_memory(&error) => (NO_MEMORY, vec![]),
            Err(error) => (REFUSED, short(&error).into_bytes()),
        },
        Err(error) => (UNFIT, error.to_string().into_bytes()),
    };
    let mut out = io::stdout().lock();
    match out.write_all(&[kind]).and_then(|()| out.write_all(&answer)).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn confine(parent: u64, memory_bytes: u64) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that died before that line is not noticed by it.
    if rustix::process::getppid().map(Pid::as_raw_nonzero).map(|pid| pid.get() as u64) != Some(parent) {
        return Err(io::Error::other("the process that started it has ended"));
    }
    // Where it can't be set, nothing else changes.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let _ = rustix::process::nice(NICENESS);
    for (resource, limit) in limits(memory_bytes) {
        rustix::process::setrlimit(resource, limit)?;
    }
    Ok(())
}

fn limits(memory_bytes: u64) -> [(Resource, Rlimit); 5] {
    let at = |max| Rlimit { current: Some(max), maximum: Some(max) };
    [
        (Resource::As, at(memory_bytes)),
        // At the first the system says which bound it was, at the second it only kills (setrlimit(2)).
        (Resource::Cpu, Rlimit { current: Some(CPU_S_MAX), maximum: Some(CPU_S_MAX + 1) }),
        (Resource::Core, at(0)),
        (Resource::Fsize, at(0)),
        (Resource::Nofile, at(FILES_MAX)),
    ]
}

fn compile() -> wasmtime::Result<Vec<u8>> {
    let mut wasm = Vec::new();
    io::stdin().lock().take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut wasm)?;
    Engine::new(&compiling_config())?.precompile_component(&wasm)
}

fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    let while_reading = error.downcast_ref::<io::Error>().map(io::Error::kind);
    error.is::<OutOfMemory>() || while_reading == Some(io::ErrorKind::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::Command;

    use super::*;

    #[test]
    fn whoever_computes_for_too_long_is_told_so_before_it_is_killed() {
        let (_, cpu) = limits(0).into_iter().find(|(resource, _)| *resource == Resource::Cpu).unwrap();
        let seconds = |bound: Option<u64>| bound.unwrap() - CPU_S_MAX + 1;
        let soon = Rlimit { current: Some(seconds(cpu.current)), maximum: Some(seconds(cpu.maximum)) };
        let mut spinning = Command::new("sh");
        spinning.args(["-c", "while :; do :; done"]);
        // SAFETY: setrlimit is one system call, which may be made between fork and exec.
        unsafe { spinning.pre_exec(move || Ok(rustix::process::setrlimit(Resource::Cpu, soon)?)) };
        assert_eq!(spinning.status().unwrap().signal(), Some(libc::SIGXCPU));
    }
}
