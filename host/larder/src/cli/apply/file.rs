//! The file on disk: read within bounds, and found to have one of two forms.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::mistake::Mistakes;
use super::wanted::{Contents, Target, targets};
use super::yaml::{Kind, Node};
use super::{labtest, own, yaml};
use crate::cli::failure::{Failure, Kind as FailureKind, Result};
use crate::cli::object::read_bounded;

/// For which apps a file is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim<'a> {
    /// The one that it names, or this one in its place.
    App(Option<&'a str>),
    /// An experiment of this app.
    Experiment { app: &'a str, experiment: &'a str },
}

/// What was read, and how to speak of it.
#[derive(Debug)]
pub(crate) struct Read {
    /// The file's name in messages.
    pub(crate) name: String,
    /// Where the paths begin that stand in it.
    pub(crate) folder: PathBuf,
    /// Whether services have their options beside their keys.
    pub(crate) is_labtest: bool,
    pub(crate) targets: Vec<Target>,
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read(path: &Path, aim: Aim<'_>) -> Result<Read> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let text = if is_stdin { read_bounded(std::io::stdin().lock()) } else { File::open(path).and_then(read_bounded) };
    let text = text.map_err(|error| Failure::new(FailureKind::Failed, "unreadable", format!("`{name}`: {error}")))?;
    let folder = path.parent().filter(|folder| !is_stdin && !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    understand(&text, name, folder, aim)
}

/// Understands a file's text; nothing has been asked of a server yet.
pub(crate) fn understand(text: &str, name: String, folder: &Path, aim: Aim<'_>) -> Result<Read> {
    let folder = folder.to_owned();
    let mut mistakes = Mistakes::default();
    let Some(root) = mistakes.keep(yaml::parse(text)) else {
        return mistakes.or(&name, Read { name: name.clone(), folder, is_labtest: false, targets: Vec::new() });
    };
    let is_labtest = has_labtest(&root);
    let read = if is_labtest { labtest::read } else { own::read };
    let contents = read(&root, &mut mistakes);
    let targets = find_apps(contents, aim, &root, &mut mistakes);
    mistakes.or(&name, Read { name: name.clone(), folder, is_labtest, targets })
}

fn has_labtest(root: &Node) -> bool {
    matches!(&root.kind, Kind::Map(entries) if entries.iter().any(|(key, _)| key.text == labtest::TOP))
}

/// Finds the apps that the contents are for.
fn find_apps(contents: Contents, aim: Aim<'_>, root: &Node, mistakes: &mut Mistakes) -> Vec<Target> {
    let named = contents.app.clone();
    let line = named.as_ref().map_or(root.line, |(line, _)| *line);
    match (aim, named) {
        (Aim::App(Some(app)), _) => targets(app, contents, line, mistakes),
        (Aim::App(None), Some((_, app))) => targets(&app, contents, line, mistakes),
        (Aim::App(None), None) => {
            mistakes.add(line, "the file names no app: add `app: NAME` where it can have one, or use `--app NAME`");
            Vec::new()
        }
        (Aim::Experiment { app, experiment }, named) => {
            let whole = format!("{app}.{experiment}");
            if let Some((line, other)) = named.filter(|(_, named)| named != app && *named != whole) {
                mistakes.add(line, format!("the file is for the app `{other}`, not for `{whole}`"));
            }
            if let Some((line, ..)) = contents.experiments.first() {
                let what = "a file for one experiment has no `experiments`; use `larder apply` for this one";
                mistakes.add(*line, what);
            }
            targets(&whole, Contents { experiments: Vec::new(), ..contents }, line, mistakes)
        }
    }
}

#[cfg(test)]
mod tests;
