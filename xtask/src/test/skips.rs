//! How a test says that it cannot run on this machine.
//!
//! It appends one line, `name<TAB>reason`, to the file that the variable [`VARIABLE`] names, and
//! returns. The test runner then believes that it passed; we know better and count it as skipped.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::test::output::Ignored;
use crate::workspace::Workspace;

/// Names the file.
pub(crate) const VARIABLE: &str = "LARDER_TEST_SKIPS";

/// The file of one run.
pub(crate) struct Skips {
    file: PathBuf,
}

impl Skips {
    /// A new, empty file, this run's own.
    pub(crate) fn new(workspace: &Workspace) -> Result<Self> {
        let file = workspace.scratch()?.join(format!("skips-{}", std::process::id()));
        File::create(&file).with_context(|| format!("{} cannot be written", file.display()))?;
        Ok(Self { file })
    }

    /// Its path.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Reads what was noted and removes the file.
    pub(crate) fn finish(self) -> Result<Vec<Ignored>> {
        let text = fs::read_to_string(&self.file).with_context(|| format!("{} cannot be read", self.file.display()))?;
        fs::remove_file(&self.file).with_context(|| format!("{} cannot be removed", self.file.display()))?;
        Ok(parse(&text))
    }
}

/// One entry a line; what a test noted twice counts once.
pub(crate) fn parse(text: &str) -> Vec<Ignored> {
    let lines: BTreeSet<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let entry = |line: &str| {
        let (name, reason) = line.split_once('\t').unwrap_or((line, ""));
        Ignored { name: name.trim().to_owned(), reason: reason.trim().to_owned() }
    };
    lines.into_iter().map(entry).collect()
}

/// Tests that install packages take turns: the system's package manager serves one at a time.
#[cfg(test)]
pub(crate) static MACHINE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Notes that a test of this crate cannot run here.
#[cfg(test)]
pub(crate) fn skip(name: &str, reason: &str) {
    use std::io::Write as _;
    eprintln!("skipped: {name}: {reason}");
    if let Some(file) = std::env::var_os(VARIABLE) {
        let mut file = File::options().append(true).create(true).open(file).unwrap();
        // In one piece: tests run side by side.
        file.write_all(format!("{name}\t{reason}\n").as_bytes()).unwrap();
    }
}
