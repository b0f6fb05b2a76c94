//! cargo-deny, the judge of licences, sources and advisories: found, or installed outside the checkout.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::shell;
use crate::workspace::{self, Workspace};

/// The release that is installed where none is on PATH.
const VERSION: &str = "0.20.2";

/// Runs `cargo-deny check WHAT…` over the host's and the guests' workspaces.
pub(crate) fn check(workspace: &Workspace, tool: &Tool, what: &[&str]) -> Result<()> {
    let config = workspace.root.join("deny.toml");
    let host = workspace.root.join("Cargo.toml");
    for manifest in [host, workspace.guest_manifest()].iter().filter(|path| path.is_file()) {
        let mut deny = shell::tool(workspace, &tool.0);
        deny.args(["--all-features", "--manifest-path"]).arg(manifest);
        deny.arg("--config").arg(&config).arg("check").args(what);
        shell::run(&mut deny, "drop the dependency, or change deny.toml and say why there")?;
    }
    Ok(())
}

/// Brings the advisory database up to date; tells whether that worked.
pub(crate) fn fetch_advisories(workspace: &Workspace, tool: &Tool) -> bool {
    let mut deny = shell::tool(workspace, &tool.0);
    deny.arg("--config").arg(workspace.root.join("deny.toml")).args(["fetch", "db"]);
    shell::ask(&mut deny).is_some_and(|output| output.status.success())
}

/// A cargo-deny that runs.
pub(crate) struct Tool(PathBuf);

/// Looks on PATH, then in the cache; installs it there as a last resort.
pub(crate) fn find_or_install(workspace: &Workspace) -> Result<Tool> {
    let folder = workspace::cache()?.join("tools").join(format!("cargo-deny-{VERSION}"));
    let cached = folder.join("bin/cargo-deny");
    for candidate in [PathBuf::from("cargo-deny"), cached.clone()] {
        if works(&candidate) {
            return Ok(Tool(candidate));
        }
    }
    shell::say("      installing cargo-deny, about a minute");
    let mut cargo = shell::tool(workspace, "cargo");
    // Without optimisation: it runs for seconds, and its release profile takes many minutes to build.
    cargo
        .args(["install", "cargo-deny", "--locked", "--version", VERSION, "--quiet"])
        .args(["--profile", "dev", "--config", "profile.dev.debug=false", "--root"])
        .arg(&folder)
        .env("CARGO_TARGET_DIR", folder.join("build"));
    shell::run(&mut cargo, "it needs the network once; `cargo install cargo-deny` does as well")?;
    // Only the program is kept.
    let _ = std::fs::remove_dir_all(folder.join("build"));
    Ok(Tool(cached))
}

fn works(program: &PathBuf) -> bool {
    let mut command = Command::new(program);
    shell::ask(command.arg("--version")).is_some_and(|output| output.status.success())
}
