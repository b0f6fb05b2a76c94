//! `cargo xtask fuzz`: each target of `tests/fuzz` for a bounded time. cargo-fuzz would do the same with a nightly compiler and its
//! sanitizers; coverage alone is to be had from a stable one.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::shell::{self, Steps};
use crate::workspace::Workspace;

/// What is fuzzed, by the names of its targets.
const TARGETS: [&str; 3] = ["upload", "grant", "answer"];
/// How long each target is fuzzed unless told otherwise, in seconds.
pub(crate) const SECONDS: u32 = 20;
/// How long an input may be, in bytes.
const INPUT_BYTES_MAX: u32 = 64 * 1024;
/// How much memory one input may take, in MiB, and how long, in seconds.
const MEMORY_MIB_MAX: u32 = 1024;
const INPUT_SECONDS_MAX: u32 = 10;

/// libFuzzer is steered by which branches an input takes; assertions are what it looks for.
const RUSTFLAGS: &str = "--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Fuzzes one target, or all.
pub(crate) fn run(workspace: &Workspace, target: Option<&str>, seconds: u32) -> Result<()> {
    if let Some(unknown) = target.filter(|target| !TARGETS.contains(target)) {
        bail!("there is no target {unknown:?}; choose one of {}", TARGETS.join(", "));
    }
    let wanted: Vec<&str> = TARGETS.into_iter().filter(|name| target.is_none_or(|target| target == *name)).collect();
    let host = host(workspace)?;
    let mut steps = Steps::new(1 + wanted.len());
    let target_dir = workspace.target.join("fuzz");
    steps.step("Targets", || {
        let mut cargo = shell::cargo(workspace);
        // With a target named, build scripts and macros are not instrumented.
        cargo.args(["build", "--release", "--manifest-path", "tests/fuzz/Cargo.toml", "--target", &host]);
        cargo.env("RUSTFLAGS", RUSTFLAGS).env("CARGO_TARGET_DIR", &target_dir);
        shell::run(&mut cargo, "it needs a C++ compiler: `apt-get install g++`")
    })?;
    for name in wanted {
        let program = target_dir.join(&host).join("release").join(name);
        steps.step(name, || fuzz(workspace, &program, name, seconds))?;
    }
    Ok(())
}

/// What is found goes to a folder of its own and not into the corpus: a person decides what to keep.
fn fuzz(workspace: &Workspace, program: &Path, name: &str, seconds: u32) -> Result<()> {
    let found = workspace.target.join("fuzz").join("found").join(name);
    fs::create_dir_all(&found).with_context(|| format!("can't make {}", found.display()))?;
    let mut command = shell::tool(workspace, program);
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={INPUT_BYTES_MAX}"));
    command.arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}")).arg(format!("-timeout={INPUT_SECONDS_MAX}"));
    command.arg("-verbosity=0").arg("-print_final_stats=1").arg(format!("-artifact_prefix={}/", found.display()));
    command.arg(&found).arg(workspace.root.join("tests/fuzz/corpus").join(name));
    shell::run(&mut command, "the input that did it is named above; make a test of it")
}

fn host(workspace: &Workspace) -> Result<String> {
    let mut rustc = shell::tool(workspace, "rustc");
    let told = shell::read(rustc.arg("-vV"), "rustc is needed")?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}
