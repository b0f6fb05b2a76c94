//! `larder provider build`: from a project to a component beside it.
//!
//! Cargo does the work; what is found here is a toolchain that has the target, and where the result went.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::out::Out;

/// What components are built for.
const TARGET: &str = "wasm32-wasip2";
/// The toolchain that `cargo xtask guest-toolchain` links where rustup can't add the target.
const LINKED_TOOLCHAIN: &str = "larder-guests";

/// What to build.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The project's folder.
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

pub(crate) fn run(out: Out, args: &BuildArgs) -> Result<()> {
    let toolchain = toolchain(&args.folder)?;
    let built = cargo_build(&args.folder, toolchain)?;
    let name = built.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
    let component = args.folder.join(format!("{name}.wasm"));
    let bytes = fs::copy(&built, &component).map_err(|error| failed(format!("`{}`: {error}", component.display())))?;
    let shown = component.display();
    if out.json {
        return out.json(&json!({ "component": component, "bytes": bytes }));
    }
    out.done(&format!("built `{shown}`, {bytes} bytes"))?;
    out.done(&format!("upload it with `larder provider upload {shown}`"))
}

/// The toolchain's name for `cargo +NAME`, or none for the usual one.
fn toolchain(folder: &Path) -> Result<Option<&'static str>> {
    [None, Some(LINKED_TOOLCHAIN)].into_iter().find(|name| has_target(folder, *name)).ok_or_else(|| {
        failed(format!("no Rust toolchain here has the target {TARGET}"))
            .or_help("add it with `rustup target add wasm32-wasip2`, or run `cargo xtask guest-toolchain` in a checkout of Larder")
    })
}

fn has_target(folder: &Path, toolchain: Option<&str>) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(toolchain.map(|name| format!("+{name}"))).args(["--print", "target-libdir", "--target", TARGET]);
    let Ok(output) = rustc.current_dir(folder).output() else { return false };
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    output.status.success() && fs::read_dir(libraries).is_ok_and(|mut entries| entries.next().is_some())
}

/// Builds, and finds the component in what cargo says it made.
fn cargo_build(folder: &Path, toolchain: Option<&str>) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(toolchain.map(|name| format!("+{name}"))).args(["build", "--release", "--target", TARGET]);
    cargo
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(folder)
        .stderr(std::process::Stdio::inherit());
    let output = cargo.output().map_err(|error| {
        failed(format!("cargo could not be started: {error}")).or_help("install Rust, so that `cargo` is found")
    })?;
    if !output.status.success() {
        return Err(failed("cargo could not build the project".to_owned()).or_help("mend what it says above"));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let made = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut components = made.filter(|message| message["reason"] == "compiler-artifact").flat_map(|message| {
        let files = message["filenames"].as_array().cloned().unwrap_or_default();
        files.into_iter().filter_map(|file| file.as_str().map(PathBuf::from))
    });
    components.rfind(|file| file.extension().is_some_and(|ending| ending == "wasm")).ok_or_else(|| {
        failed("the project makes no component".to_owned())
            .or_help("its Cargo.toml needs `crate-type = [\"cdylib\"]` under [lib]")
    })
}

fn failed(detail: String) -> Failure {
    Failure::new(Kind::Failed, "not_built", detail)
}
