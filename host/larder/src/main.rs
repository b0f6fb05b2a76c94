//! `larder`: the host of addon providers, and its command line.
//!
//! [`serve`] is the server and wires everything together. All other commands live in [`cli`]; they know
//! the server by its HTTP API only, as any client does. The server also starts this program to compile a component.

mod backup;
mod cli;
mod data_dir;
mod keys;
mod serve;

use std::process::ExitCode;

/// A tenth less of the processor for each addon than with the system's. SQLite has its memory from it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == larder_sandbox::COMPILE_COMMAND) {
        return larder_sandbox::compile_child(arguments);
    }
    // It fails only if a provider is installed already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::completions::answer_shell();
    cli::main()
}
