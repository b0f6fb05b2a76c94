//! `cargo xtask lint`: what can be judged without running anything. Every check runs, so that one
//! look tells all there is to mend.

use anyhow::{Result, bail};

use crate::build::PROFILE;
use crate::shell::{self, Steps};
use crate::toolchain::{self, TARGET};
use crate::workspace::{self, Workspace};
use crate::{deny, tidy};

type Check = fn(&Workspace, fix: bool) -> Result<()>;

const CHECKS: [(&str, Check); 5] = [
    ("House rules", |workspace, _| tidy::run(workspace)),
    ("Formatting", formatting),
    ("Clippy, host", clippy),
    ("Clippy, guests", clippy_guests),
    ("Licences, banned crates, sources", |workspace, _| licences(workspace)),
];

/// Runs every check; `fix` lets the tools mend what they can.
pub(crate) fn run(workspace: &Workspace, fix: bool) -> Result<()> {
    let mut steps = Steps::new(CHECKS.len());
    let mut failed = Vec::new();
    for (title, check) in CHECKS {
        if let Err(error) = steps.step(title, || check(workspace, fix)) {
            shell::report(&error);
            failed.push(title);
        }
    }
    if !failed.is_empty() {
        bail!("lint failed: {}; each says above what to do", failed.join(", "));
    }
    shell::say("lint: all is well");
    Ok(())
}

fn formatting(workspace: &Workspace, fix: bool) -> Result<()> {
    let manifests = [workspace.root.join("Cargo.toml"), workspace.guest_manifest()];
    for manifest in manifests.iter().filter(|manifest| manifest.is_file()) {
        let mut cargo = shell::cargo(workspace);
        cargo.args(["fmt", "--all", "--manifest-path"]).arg(manifest);
        if !fix {
            cargo.arg("--check");
        }
        shell::run(&mut cargo, "`cargo xtask lint --fix` formats everything")?;
    }
    Ok(())
}

const CLIPPY_ADVICE: &str = "mend what it names; `cargo xtask lint --fix` mends the simple ones";

fn clippy(workspace: &Workspace, fix: bool) -> Result<()> {
    let mut cargo = shell::cargo(workspace);
    cargo.args(["clippy", "--profile", PROFILE, "--workspace", "--all-targets"]);
    if fix {
        cargo.args(["--fix", "--allow-dirty", "--allow-staged"]);
    }
    shell::run(cargo.args(["--", "-D", "warnings"]), CLIPPY_ADVICE)
}

/// With the profile and target folder of the guests' build, whose macros and build scripts it reuses.
fn clippy_guests(workspace: &Workspace, fix: bool) -> Result<()> {
    let guest = toolchain::ensure(workspace)?;
    let mut probe = shell::guest_cargo(workspace, &guest);
    let has_clippy = shell::ask(probe.args(["clippy", "--version"]));
    if !has_clippy.is_some_and(|output| output.status.success()) {
        shell::say(&format!("      left out: the toolchain `{}` has no clippy", guest.name));
        return Ok(());
    }
    let mut cargo = shell::guest_cargo(workspace, &guest);
    cargo.args(["clippy", "--release", "--target", TARGET, "--manifest-path"]);
    cargo.arg(workspace.guest_manifest()).args(["--workspace", "--exclude", "xtask"]);
    if fix {
        cargo.args(["--fix", "--allow-dirty", "--allow-staged"]);
    }
    shell::run(cargo.args(["--", "-D", "warnings"]), CLIPPY_ADVICE)
}

fn licences(workspace: &Workspace) -> Result<()> {
    let tool = match deny::find_or_install(workspace) {
        Ok(tool) => tool,
        Err(error) if workspace::in_ci() => return Err(error),
        Err(error) => {
            shell::report(&error);
            shell::say("      left out: cargo-deny is not to be had; CI will check");
            return Ok(());
        }
    };
    deny::check(workspace, &tool, &["licenses", "bans", "sources"])
}
