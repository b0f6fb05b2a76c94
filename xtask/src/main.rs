//! `cargo xtask`: every chore of this repository, so that a clone needs nothing but a Rust toolchain.
//!
//! Each command lives in the module of its name. They share three things: [`workspace`] knows where
//! folders are, [`shell`] starts other programs and shows progress, [`toolchain`] makes the compiler
//! for WebAssembly guests available. Continuous integration runs the same commands as a person does.

mod advisories;
mod args;
mod bench;
mod build;
mod debian;
mod deny;
mod engine;
mod fuzz;
mod lint;
mod shell;
mod signals;
mod start;
mod test;
mod tidy;
mod toolchain;
mod torture;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::Task;
use crate::workspace::Workspace;

fn main() -> ExitCode {
    match dispatch() {
        Ok(code) => code,
        Err(error) => {
            shell::report(&error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<ExitCode> {
    let task = args::parse(std::env::args().skip(1))?;
    if matches!(task, Task::Help) {
        print!("{}", args::HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::find()?;
    match task {
        Task::Help => {}
        Task::Start(options) => start::run(&workspace, &options)?,
        Task::GuestToolchain => toolchain::print_name(&workspace)?,
        Task::Test { filter } => return Ok(test::run(&workspace, filter.as_deref())),
        Task::Engine(task) => engine::run(&workspace, task)?,
        Task::Lint { fix } => lint::run(&workspace, fix)?,
        Task::Tidy => tidy::run(&workspace)?,
        Task::Advisories => advisories::run(&workspace)?,
        Task::Fuzz { target, seconds } => fuzz::run(&workspace, target.as_deref(), seconds)?,
        Task::Bench { args } => bench::run(&workspace, &args)?,
        Task::Torture(options) => return torture::run(&workspace, &options),
    }
    Ok(ExitCode::SUCCESS)
}
