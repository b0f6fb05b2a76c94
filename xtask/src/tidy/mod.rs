//! The house rules: what a reviewer would otherwise have to remember, checked on every file.
//!
//! Each rule looks at one file or at the packages, and says file, line, what, and what to do. A rule
//! with no way out teaches people to go round it, so each message names one.

mod direction;
mod guests;
mod layout;
mod links;
mod size;
mod source;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;

use anyhow::{Result, bail};

use crate::shell;
use crate::workspace::Workspace;

/// A file under version control, or about to be.
pub(crate) struct File {
    /// Relative to the checkout, with `/`.
    pub(crate) path: String,
    /// Its text; empty for what is no text.
    pub(crate) text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    path: String,
    line: usize,
    what: String,
    is_warning: bool,
}

impl Problem {
    /// In one line of a file; `what` says what is wrong and what to do.
    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), is_warning: false }
    }

    fn warning(self) -> Self {
        Self { is_warning: true, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_warning { "warning: " } else { "" };
        write!(out, "{}:{}: {kind}{}", self.path, self.line, self.what)
    }
}

/// A rule that looks at one file.
type FileRule = fn(&File) -> Vec<Problem>;

const FILE_RULES: [FileRule; 6] =
    [size::file_length, size::function_length, layout::module_doc, layout::no_allow, words::banned, layout::top_level];

/// Checks everything, prints what is broken.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let files = files(workspace)?;
    let mut problems: Vec<Problem> =
        files.iter().flat_map(|file| FILE_RULES.iter().flat_map(|rule| rule(file))).collect();
    problems.extend(files.iter().flat_map(|file| links::broken(file, &workspace.root)));
    problems.extend(guests::unused(&files));
    problems.extend(guests::missing_tests(&files));
    problems.extend(direction::wrong_arrows(workspace)?);
    problems.sort();
    problems.dedup();
    for problem in &problems {
        shell::say(&problem.to_string());
    }
    let broken = problems.iter().filter(|problem| !problem.is_warning).count();
    if broken > 0 {
        bail!("house rules broken: {broken}; each line above says what to do");
    }
    shell::say(&format!("house rules: {} files are tidy", files.len()));
    Ok(())
}

/// All files that version control holds or would take in.
fn files(workspace: &Workspace) -> Result<Vec<File>> {
    let mut git = shell::tool(workspace, "git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = shell::read(&mut git, "the house rules need git and a checkout made with it")?;
    let read = |path: &str| {
        let bytes = fs::read(workspace.root.join(path)).ok()?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        Some(File { path: path.to_owned(), text })
    };
    // Those listed twice are in a merge; those that cannot be read are deleted or links to nowhere.
    let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
    paths.dedup();
    Ok(paths.into_iter().filter_map(read).collect())
}
