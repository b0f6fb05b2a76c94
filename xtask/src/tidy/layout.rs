//! Where things stand: at the top level, at the top of a file, in front of an item.

use super::source::code_only;
use super::{File, Problem};

/// What may lie at the top of the checkout, beside files and folders that begin with a dot.
const TOP_LEVEL: [&str; 14] = [
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "docs",
    "host",
    "providers",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "sdk",
    "tests",
    "wit",
];

/// Folders whose Rust files say at their top why they exist.
const DOCUMENTED: [&str; 3] = ["host/", "sdk/src/", "xtask/"];

/// The top level holds only the names that everyone knows.
pub(crate) fn top_level(file: &File) -> Vec<Problem> {
    let first = file.path.split('/').next().unwrap_or_default();
    if first.starts_with('.') || first == "xtask" || TOP_LEVEL.contains(&first) {
        return Vec::new();
    }
    let what = format!("`{first}` does not belong at the top level: move it into a folder there");
    vec![Problem::at(&file.path, 1, what)]
}

/// The first line of a source file is the beginning of its documentation.
pub(crate) fn module_doc(file: &File) -> Vec<Problem> {
    let concerned = DOCUMENTED.iter().any(|folder| file.path.starts_with(folder));
    if !file.is_rust() || !concerned || file.text.starts_with("//!") {
        return Vec::new();
    }
    let what = "begins without `//!`: say in a sentence or two why this file is there";
    vec![Problem::at(&file.path, 1, what)]
}

/// A lint is never silenced for good: `expect` says why, and complains when it is needed no more.
pub(crate) fn no_allow(file: &File) -> Vec<Problem> {
    if !file.is_rust() {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let silenced = code.lines().enumerate().filter(|(_, line)| {
        let line = line.replace(' ', "");
        line.contains("#[allow(") || line.contains("#![allow(")
    });
    let what = "`allow` hides a lint for ever: mend the code, or write #[expect(lint, reason = \"…\")]";
    silenced.map(|(index, _)| Problem::at(&file.path, index + 1, what)).collect()
}
