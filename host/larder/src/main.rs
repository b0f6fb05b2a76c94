//! `larder`: the host of addon providers, and its command line.
//!
//! [`serve`] is the server and wires everything together. All other commands live in [`cli`]; they know
//! the server by its HTTP API only, as any client does.

mod cli;
mod data_dir;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    // It fails only if a provider is installed already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::completions::answer_shell();
    cli::main()
}
