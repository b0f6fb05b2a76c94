//! Which crate may use which: the arrows of the architecture, read from what cargo knows.
//!
//! Two kinds of rule. Between our own crates, a table of allowed arrows. Towards the outside, fences:
//! a heavy or far-reaching crate is used by the one crate that hides it. Tests may use more, but not
//! the sandbox, whose compile time would be paid by every test binary.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Problem;
use crate::shell;
use crate::workspace::Workspace;

/// Our crates and those of ours that each may use. `*` is all.
const ARROWS: [(&str, &[&str]); 11] = [
    ("larder-domain", &[]),
    ("larder-store", &["larder-domain"]),
    ("larder-inspect", &["larder-domain"]),
    ("larder-sandbox", &["larder-domain", "larder-inspect"]),
    ("larder-containers", &["larder-domain"]),
    ("larder-control", &["larder-domain"]),
    ("larder-api", &["larder-control", "larder-domain"]),
    ("larder", &["*"]),
    ("larder-bench", &["*"]),
    ("larder-sdk", &[]),
    ("xtask", &[]),
];

/// The beginning of an outside crate's name, and who may use it.
const FENCES: [(&str, &[&str]); 10] = [
    ("wasmtime", &["larder-sandbox"]),
    ("cranelift", &["larder-sandbox"]),
    ("wit-bindgen", &["larder-sdk"]),
    ("bollard", &["larder-containers"]),
    ("rusqlite", &["larder-store"]),
    ("sqlx", &["larder-store"]),
    ("tokio-postgres", &["larder-store"]),
    ("axum", &["larder-api", "larder"]),
    ("reqwest", &["larder"]),
    ("clap", &["larder"]),
];

/// What the innermost crate does without: it decides, others act.
const NOT_IN_DOMAIN: [&str; 5] = ["tokio", "futures", "hyper", "libc", "tracing"];

/// Crates that tests may not use either, but where they are at home.
const NEVER_IN_TESTS: [&str; 2] = ["wasmtime", "larder-sandbox"];

/// One line of a `Cargo.toml`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrow<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) only_tests: bool,
}

/// Looks at every package of the workspace.
pub(crate) fn wrong_arrows(workspace: &Workspace) -> Result<Vec<Problem>> {
    let mut cargo = shell::cargo(workspace);
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    let text = shell::read(&mut cargo, "mend the Cargo.toml that is complained about")?;
    let metadata: Value = serde_json::from_str(&text).context("`cargo metadata` gave no JSON")?;
    let mut problems = Vec::new();
    for package in list(&metadata, "packages") {
        let (name, manifest) = (text_of(package, "name"), text_of(package, "manifest_path"));
        let path = manifest.strip_prefix(&format!("{}/", workspace.root.display()));
        let complain = |what: String| Problem::at(path.unwrap_or(manifest), 1, what);
        if !ARROWS.iter().any(|(known, _)| *known == name) {
            let what = "is a new crate: write into xtask/src/tidy/direction.rs which crates it may use";
            problems.push(complain(what.to_owned()));
        }
        for dependency in list(package, "dependencies") {
            let only_tests = text_of(dependency, "kind") == "dev";
            let arrow = Arrow { from: name, to: text_of(dependency, "name"), only_tests };
            problems.extend(objection(arrow).map(complain));
        }
    }
    Ok(problems)
}

/// Why a crate may not use another, if it may not.
pub(crate) fn objection(arrow: Arrow<'_>) -> Option<String> {
    let Arrow { from, to, only_tests } = arrow;
    if only_tests && !NEVER_IN_TESTS.iter().any(|name| to.starts_with(name)) {
        return None;
    }
    // It measures the engine and the database bare, to tell what we add to them.
    if from == "larder-bench" {
        return None;
    }
    if let Some((_, users)) = FENCES.iter().find(|(fenced, _)| to.starts_with(fenced))
        && !users.contains(&from)
    {
        let users = users.join(", ");
        return Some(format!("uses `{to}`, which only {users} may: go through a port of the domain"));
    }
    if from == "larder-domain" && NOT_IN_DOMAIN.iter().any(|name| to.starts_with(name)) {
        return Some(format!("uses `{to}`: the domain decides and acts on nothing; make it a port"));
    }
    let is_ours = ARROWS.iter().any(|(ours, _)| *ours == to);
    let (_, allowed) = ARROWS.iter().find(|(known, _)| *known == from)?;
    if is_ours && !allowed.contains(&"*") && !allowed.contains(&to) {
        return Some(format!("uses `{to}` against the direction of the architecture: use a port"));
    }
    None
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
