//! A compiler for guests: makes `cargo +NAME build --target wasm32-wasip2` work, on a bare machine too.
//!
//! Rustup adds the target in seconds, but not everywhere: its server is no package mirror, and a
//! machine may be cut off from it. The second way therefore builds the target's standard library from
//! Debian's packages (`guest-toolchain.sh`) and links the result into rustup under [`DEBIAN`].
//!
//! The target is not listed in `rust-toolchain.toml`: where rustup may not install by itself, every
//! cargo command would then fail, those that need no guest included.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::workspace::Workspace;

/// The target of every guest.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// What rustup calls the toolchain made of Debian's packages.
const DEBIAN: &str = "larder-guests";
const DEBIAN_STAMP: &str = "/usr/lib/rustlib/wasm32-wasip2/lib/.larder-stamp";
const SCRIPT: &str = include_str!("../guest-toolchain.sh");

const RUSTUP_TRIES: u32 = 2;
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// A toolchain that builds guests.
pub(crate) struct GuestToolchain {
    /// To be put after `cargo +`.
    pub(crate) name: String,
    /// Names the very build of the standard library, where cargo would not notice another one.
    pub(crate) std_build: Option<String>,
}

/// `cargo xtask guest-toolchain`: progress on standard error, the name on standard output.
pub(crate) fn print_name(workspace: &Workspace) -> Result<()> {
    let toolchain = ensure(workspace)?;
    shell::say(&toolchain.name);
    Ok(())
}

/// Finds a toolchain for guests, or makes one.
pub(crate) fn ensure(workspace: &Workspace) -> Result<GuestToolchain> {
    if env::var_os("FORCE_DEBIAN").is_some_and(|value| !value.is_empty()) {
        return from_debian(workspace);
    }
    let active = active_toolchain(workspace)?;
    if has_target(workspace, &active) {
        return Ok(GuestToolchain { name: active, std_build: None });
    }
    // Made on an earlier run, when rustup could not help: do not wait for its server again.
    if Path::new(DEBIAN_STAMP).exists() {
        return from_debian(workspace);
    }
    if add_by_rustup(workspace, &active)? {
        return Ok(GuestToolchain { name: active, std_build: None });
    }
    eprintln!("guest toolchain: rustup could not add {TARGET}; taking Debian's packages instead");
    from_debian(workspace)
}

/// The second way; quick when it was gone before.
fn from_debian(workspace: &Workspace) -> Result<GuestToolchain> {
    let active = active_toolchain(workspace)?;
    let mut script = shell::tool(workspace, "bash");
    script
        .args(["-c", SCRIPT, "guest-toolchain.sh"])
        .env("TOOLCHAIN", DEBIAN)
        .env("LINKERS", linkers(workspace, &active)?)
        .env("OLDEST", env!("CARGO_PKG_RUST_VERSION"));
    let status = script.status().context("`bash` could not be started; install it")?;
    if !status.success() {
        bail!("no toolchain for guests: the lines above tell why; then try again");
    }
    let std_build = fs::read_to_string(DEBIAN_STAMP)
        .with_context(|| format!("{DEBIAN_STAMP} cannot be read; remove it and try again"))?;
    Ok(GuestToolchain { name: DEBIAN.to_owned(), std_build: Some(std_build) })
}

fn active_toolchain(workspace: &Workspace) -> Result<String> {
    let mut rustup = rustup(workspace);
    rustup.args(["show", "active-toolchain"]);
    let line = shell::read(&mut rustup, "rustup is needed to build guests; install it")?;
    match line.split_whitespace().next() {
        Some(name) => Ok(name.to_owned()),
        None => bail!("rustup has no active toolchain; run `rustup default stable`"),
    }
}

fn has_target(workspace: &Workspace, toolchain: &str) -> bool {
    let mut rustup = rustup(workspace);
    rustup.args(["target", "list", "--installed", "--toolchain", toolchain]);
    shell::ask(&mut rustup)
        .is_some_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim() == TARGET))
}

/// Tries once more after a refusal, but not after a silence, which would only be as long again.
fn add_by_rustup(workspace: &Workspace, toolchain: &str) -> Result<bool> {
    for _ in 0..RUSTUP_TRIES {
        let mut child = rustup(workspace)
            .args(["target", "add", TARGET, "--toolchain", toolchain])
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .spawn()
            .context("`rustup` could not be started; install it")?;
        match shell::wait_within(&mut child, RUSTUP_LIMIT)? {
            Some(status) if status.success() => return Ok(has_target(workspace, toolchain)),
            Some(_) => {}
            None => {
                child.kill().context("`rustup` does not answer and cannot be ended")?;
                child.wait().context("`rustup` cannot be waited for")?;
                return Ok(false);
            }
        }
    }
    Ok(false)
}

/// The folder with rustup's own linkers for WebAssembly, which Debian does not package.
fn linkers(workspace: &Workspace, toolchain: &str) -> Result<PathBuf> {
    let mut rustc = rustup(workspace);
    rustc.args(["run", toolchain, "rustc", "--print", "sysroot"]);
    let sysroot = shell::read(&mut rustc, "the active toolchain is broken; reinstall it")?;
    let host = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin"))
}

fn rustup(workspace: &Workspace) -> Command {
    shell::tool(workspace, "rustup")
}
