//! Completion in the shell: of commands and options, and of the names that the server knows.
//!
//! The script that `larder completions` prints calls this program back, with [`VARIABLE`] set, whenever the
//! user presses the key. Names come from the server, which gets a moment to answer; without it, or without
//! an answer, there are just none.

pub(crate) mod candidates;

use std::env;

use clap::{Args, CommandFactory};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};

use super::args::Cli;
use super::failure::{Failure, Kind, Result};
use super::out::Out;

/// Set by the scripts; its value is the shell's name.
const VARIABLE: &str = "LARDER_COMPLETE";
const PROGRAM: &str = "larder";

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// Answers a shell and ends the process, if a shell asks; does nothing otherwise.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).bin(PROGRAM).complete();
}

/// Prints the script for a shell.
pub(crate) fn print(args: &CompletionsArgs) -> Result<()> {
    let script = script(&args.shell.to_string(), &this_program())?;
    Out::default().text(&script)
}

fn script(shell: &str, program: &str) -> Result<String> {
    let failed = || Failure::new(Kind::Failed, "no_completions", format!("no completion can be made for `{shell}`"));
    let shells = Shells::builtins();
    let completer = shells.completer(shell).ok_or_else(failed)?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, PROGRAM, PROGRAM, program, &mut script).map_err(|_| failed())?;
    String::from_utf8(script).map_err(|_| failed())
}

/// As it was called: by name if the shell will find it, else by its place.
fn this_program() -> String {
    let called = env::args_os().next().unwrap_or_default();
    let place = if called.to_string_lossy().contains('/') { env::current_exe().ok() } else { None };
    place.and_then(|place| place.into_os_string().into_string().ok()).unwrap_or_else(|| PROGRAM.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_calls_back() {
        for shell in <Shell as clap::ValueEnum>::value_variants() {
            let script = script(&shell.to_string(), "/opt/larder").unwrap();
            assert!(script.contains(VARIABLE) && script.contains("/opt/larder"), "{shell}: {script}");
        }
    }
}
