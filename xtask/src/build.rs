//! Building the three things that run: guests, the server, and the place where they meet.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::toolchain::{GuestToolchain, TARGET};
use crate::workspace::Workspace;

/// Providers that a release ships: packages of the guests' workspace.
pub(crate) const SHIPPED: [&str; 2] = ["secret", "parameters"];

/// The package of the guests' workspace that is no guest: it makes `cargo xtask` work in there.
const SHIM: &str = "xtask";

/// Which guests to build.
pub(crate) enum Guests {
    /// Those that a release ships.
    Shipped,
    /// Those and all that tests use.
    All,
}

/// Builds guests for release; returns the folder with their `.wasm` files.
pub(crate) fn guests(workspace: &Workspace, toolchain: &GuestToolchain, which: Guests) -> Result<PathBuf> {
    let manifest = workspace.guest_manifest();
    if !manifest.is_file() {
        bail!("{} is missing; restore it from version control", manifest.display());
    }
    let target = workspace.guest_target(toolchain);
    drop_stale(&target, toolchain)?;
    let mut cargo = shell::guest_cargo(workspace, toolchain);
    cargo.args(["build", "--release", "--target", TARGET, "--manifest-path"]).arg(manifest);
    match which {
        Guests::Shipped => cargo.args(SHIPPED.iter().flat_map(|name| ["--package", name])),
        Guests::All => cargo.args(["--workspace", "--exclude", SHIM]),
    };
    shell::run(&mut cargo, "mend the guest that the compiler complains about")?;
    Ok(target.join(TARGET).join("release"))
}

/// Cargo does not see that a linked toolchain's standard library was built anew, and what was
/// compiled against the old one no longer links.
pub(crate) fn drop_stale(target: &Path, toolchain: &GuestToolchain) -> Result<()> {
    let Some(build) = &toolchain.std_build else {
        return Ok(());
    };
    let stamp = target.join(".std-build");
    if fs::read_to_string(&stamp).is_ok_and(|present| present == *build) {
        return Ok(());
    }
    let place = || format!("{} cannot be replaced; remove it and try again", target.display());
    if target.exists() {
        fs::remove_dir_all(target).with_context(place)?;
    }
    fs::create_dir_all(target).with_context(place)?;
    fs::write(&stamp, build).with_context(place)
}

/// Builds the server; returns the path of the `larder` binary.
pub(crate) fn larder(workspace: &Workspace, debug: bool) -> Result<PathBuf> {
    let mut cargo = shell::cargo(workspace);
    cargo.args(["build", "--package", "larder"]);
    if !debug {
        cargo.arg("--release");
    }
    shell::run(&mut cargo, "mend what the compiler complains about")?;
    let profile = if debug { "debug" } else { "release" };
    Ok(workspace.target.join(profile).join("larder"))
}

/// Lays the shipped providers beside the binary, where a server looks for those to install by itself.
pub(crate) fn install_shipped(larder: &Path, guests: &Path) -> Result<()> {
    let beside = larder.with_file_name("share").join("larder/providers");
    for name in SHIPPED {
        let file = format!("{}.wasm", name.replace('-', "_"));
        shell::copy_if_changed(&guests.join(&file), &beside.join(format!("{name}.wasm")))?;
    }
    Ok(())
}
