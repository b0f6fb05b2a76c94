//! `cargo xtask advisories`: what the world has learnt since the lock files were written.
//!
//! Both questions need the network, and no answer is no verdict: what could not be asked is told, and
//! fails nothing. What was asked and answered badly fails.

use anyhow::{Result, bail};

use crate::deny;
use crate::shell::{self, say};
use crate::workspace::Workspace;

/// Everything untrusted runs in it, so its patch releases are not left lying.
const SANDBOX: &str = "wasmtime";

/// Asks both questions, then gives the verdict.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    say("[1/2] Known vulnerabilities");
    let vulnerable = vulnerabilities(workspace);
    say(&format!("[2/2] A newer patch release of {SANDBOX}"));
    let outdated = newer_sandbox(workspace);
    match (vulnerable, outdated) {
        (true, _) => {
            bail!("an advisory applies; update the crate it names, or except it in deny.toml")
        }
        (_, Some(line)) => bail!("{line}: run `cargo update -p {SANDBOX}`, test, release"),
        _ => Ok(()),
    }
}

/// Whether an advisory applies. Without the database there is no answer.
fn vulnerabilities(workspace: &Workspace) -> bool {
    let tool = match deny::find_or_install(workspace) {
        Ok(tool) => tool,
        Err(error) => {
            shell::report(&error);
            say("      not checked: cargo-deny is not to be had; try again with a network");
            return false;
        }
    };
    if !deny::fetch_advisories(workspace, &tool) {
        say("      not checked: the advisory database is out of reach; try again with a network");
        return false;
    }
    deny::check(workspace, &tool, &["advisories"]).inspect_err(shell::report).is_err()
}

/// The line in which cargo tells of a newer compatible release.
fn newer_sandbox(workspace: &Workspace) -> Option<String> {
    let mut cargo = shell::cargo(workspace);
    cargo.args(["update", "--dry-run", "--package", SANDBOX, "--color", "never"]);
    let answer = shell::ask(&mut cargo).filter(|output| output.status.success());
    let Some(answer) = answer else {
        say("      not checked: the registry is out of reach; try again with a network");
        return None;
    };
    let newer = update_of(&String::from_utf8_lossy(&answer.stderr), SANDBOX);
    if newer.is_none() {
        say("      none");
    }
    newer
}

/// Finds `Updating NAME v1 -> v2` among cargo's lines.
fn update_of(text: &str, name: &str) -> Option<String> {
    let prefix = format!("Updating {name} v");
    text.lines().map(str::trim).find(|line| line.starts_with(&prefix)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::update_of;

    #[test]
    fn only_the_crate_itself_counts() {
        let text = "    Updating registry index\n    Updating wasmtime-wasi v1.0.0 -> v1.0.1\n";
        assert_eq!(update_of(text, "wasmtime"), None);
        let text = format!("{text}    Updating wasmtime v1.0.0 -> v1.0.1\nwarning: dry run\n");
        let found = "Updating wasmtime v1.0.0 -> v1.0.1".to_owned();
        assert_eq!(update_of(&text, "wasmtime"), Some(found));
    }
}
