//! Building the three things that run: guests, the server, and the place where they meet.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::toolchain::{GuestToolchain, TARGET};
use crate::workspace::Workspace;

/// Providers that a release ships: packages of the guests' workspace.
pub(crate) const SHIPPED: [&str; 9] =
    ["secret", "parameters", "redis", "postgres", "mysql", "memcached", "rabbitmq", "volume", "http"];

/// The package of the guests' workspace that is no guest: it makes `cargo xtask` work in there.
const SHIM: &str = "xtask";

/// The profile of everything that is built to be tested or judged: `Cargo.toml` tells why it is cargo's `bench`.
pub(crate) const PROFILE: &str = "bench";

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

/// Builds the server for release and lays it out as it is installed, the shipped providers beside it; returns the path of
/// the `larder` binary there. Cargo's own folder won't do: the tests' build replaces what is in it.
pub(crate) fn install(workspace: &Workspace, guests: &Path) -> Result<PathBuf> {
    let mut cargo = shell::cargo(workspace);
    // The SDK is not linked, but the features that it chooses for its macros' dependencies are those that the tests
    // have: without it, they would compile the engine once more.
    cargo.args(["build", "--release", "--package", "larder", "--package", "larder-sdk"]);
    shell::run(&mut cargo, "mend what the compiler complains about")?;
    let installed = workspace.target.join("larder");
    let larder = installed.join("larder");
    shell::copy_if_changed(&workspace.target.join("release/larder"), &larder)?;
    for name in SHIPPED {
        let file = format!("{}.wasm", name.replace('-', "_"));
        let shipped = installed.join(format!("share/larder/providers/{name}.wasm"));
        shell::copy_if_changed(&guests.join(&file), &shipped)?;
    }
    Ok(larder)
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[test]
    fn guests_tell_nothing_of_the_machine_that_built_them() {
        // Set by `cargo xtask test`, which has just built them.
        let Some(guests) = env::var_os("LARDER_GUESTS") else { return };
        let places = shell::machine_paths(&Workspace::find().unwrap());
        let guests = fs::read_dir(guests).unwrap().map(|entry| entry.unwrap().path());
        for guest in guests.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")) {
            let wasm = fs::read(&guest).unwrap();
            for (place, _) in &places {
                let place = place.to_str().unwrap().as_bytes();
                assert!(!wasm.windows(place.len()).any(|bytes| bytes == place), "{}: {place:?}", guest.display());
            }
        }
    }
}
