//! Makes `cargo xtask` work inside the guests' workspace, which does not hold the real `xtask`: the
//! alias finds this package by the same name, and this program hands over to the one next door.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let manifest = Path::new(&here).join("../../Cargo.toml");
    let mut cargo = Command::new("cargo");
    // What the outer cargo and rustup have set describes this package and its toolchain.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
        if of_package.iter().any(|prefix| text.starts_with(prefix))
            || ["CARGO", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"].contains(&text.as_ref())
        {
            cargo.env_remove(&name);
        }
    }
    cargo
        .args(["run", "--quiet", "--package", "xtask", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .args(env::args_os().skip(1));
    let error = cargo.exec();
    eprintln!("error: cargo could not be started: {error}; put it on PATH, then try again");
    ExitCode::FAILURE
}
