//! With which data a new addon begins: the file that a file to apply names, or the newest one of a directory.
//!
//! It is looked for before anything is changed, and for new addons alone: one that is there has data of its own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::fields::Fields;
use super::mistake::{Code, Mistakes};
use super::plan::Plan;
use super::wanted::InitialData;

/// The key under which both forms of a file name the data.
pub(crate) const KEY: &str = "initial_data_source";

/// Where an addon's data are to be found, if it is to have any.
pub(crate) fn named(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<InitialData> {
    let (key, _) = fields.get(KEY)?;
    let source = fields.text(KEY, mistakes)?;
    if source.is_empty() {
        mistakes.add(key.line, format!("`{KEY}` has to name a file or a directory"));
    }
    Some(InitialData { line: key.line, source, file: None })
}

/// Finds the data of all addons that are to be created. Paths begin at `folder`.
pub(crate) fn choose(plan: &mut Plan, folder: &Path, mistakes: &mut Mistakes) {
    for addon in plan.apps.iter_mut().flat_map(|app| &mut app.create) {
        let Some(data) = &mut addon.initial_data else { continue };
        match find(&folder.join(&data.source)) {
            Ok(file) => data.file = Some(file),
            Err(why) => {
                let what = format!("the initial data of the addon `{}`: {why}", addon.name);
                mistakes.add_as(Code::NoInitialData, data.line, what);
            }
        }
    }
}

/// The file at a path, or in the directory there. It can be opened and holds something.
fn find(path: &Path) -> Result<PathBuf, String> {
    let unreadable = |path: &Path, error: io::Error| format!("`{}`: {error}", path.display());
    let mut found = path.to_owned();
    let mut metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if metadata.is_dir() {
        let newest = newest(path).map_err(|error| unreadable(path, error))?;
        found = newest.ok_or_else(|| format!("the directory `{}` has no file in it", path.display()))?;
        metadata = fs::metadata(&found).map_err(|error| unreadable(&found, error))?;
    }
    if !metadata.is_file() {
        return Err(format!("`{}` is neither a file nor a directory", found.display()));
    }
    if metadata.len() == 0 {
        return Err(format!("the file `{}` is empty", found.display()));
    }
    File::open(&found).map_err(|error| unreadable(&found, error))?;
    Ok(found)
}

/// The file of a directory that was written last; of several, the one with the last name. What is hidden is no data.
fn newest(directory: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        // A link that leads nowhere is none.
        let Some(metadata) = fs::metadata(&path).ok().filter(|_| !is_hidden) else { continue };
        if metadata.is_file() {
            newest = newest.max(Some((metadata.modified()?, path)));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

#[cfg(test)]
mod tests;
