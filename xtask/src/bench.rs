//! `cargo xtask bench`: the bench program over release builds of the guests and the server.

use anyhow::Result;

use crate::build::{self, Guests};
use crate::engine;
use crate::shell::{self, Steps};
use crate::toolchain;
use crate::workspace::Workspace;

/// Builds what is measured, then measures; `args` are the bench program's own.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    // With --json, standard output is the program's alone.
    let mut steps = Steps::new(3).on_stderr(args.iter().any(|arg| arg == "--json"));
    let (guests, _) = steps.step("Guests", || {
        let toolchain = toolchain::ensure(workspace)?;
        build::guests(workspace, &toolchain, Guests::All)
    })?;
    let (larder, _) = steps.step("The server", || build::install(workspace, &guests))?;
    let mut cargo = shell::cargo(workspace);
    cargo
        .args(["run", "--release", "--quiet", "--package", "larder-bench", "--"])
        .args(args)
        .env("LARDER_GUESTS", &guests)
        .env("LARDER_BIN", &larder);
    // Without one, its rows are left out.
    let engine = engine::ensure(workspace)?;
    if let Some(engine) = &engine {
        cargo.env(engine::VARIABLE, &engine.endpoint);
    }
    steps.step("The measurements", || shell::run(&mut cargo, "the lines above tell why"))?;
    Ok(())
}
