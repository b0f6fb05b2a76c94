//! A file that a command writes: it gets its name when all of it is there, so whatever breaks off leaves nothing that looks like a
//! whole, and no file that is there is written over unless that is asked for.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

use super::failure::{Failure, Kind, Result};

/// Whether there may be written to: what can be refused is refused before anything runs.
pub(crate) fn check(path: &Path, force: bool) -> Result<()> {
    match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(there) if !there.is_file() => {
            let failure = Failure::usage(format!("`{}` is there and is no file", path.display()));
            Err(failure.or_help("name another file, or `-` for standard output"))
        }
        Ok(_) if force => Ok(()),
        Ok(_) => Err(is_there(path)),
    }
}

/// A file beside it, for its owner alone, that is removed unless it gets its name.
pub(crate) fn begin(path: &Path, prefix: &str) -> Result<NamedTempFile> {
    tempfile::Builder::new().prefix(prefix).tempfile_in(folder(path)).map_err(|error| unwritable(path, &error))
}

/// Gives it its name once it is on the disk.
pub(crate) fn finish(file: NamedTempFile, path: &Path, force: bool) -> Result<()> {
    file.as_file().sync_all().map_err(|error| unwritable(path, &error))?;
    let named = if force { file.persist(path) } else { file.persist_noclobber(path) };
    match named {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Err(is_there(path)),
        Err(error) => return Err(unwritable(path, &error.error)),
    }
    // The name too.
    File::open(folder(path)).and_then(|folder| folder.sync_all()).map_err(|error| unwritable(path, &error))
}

/// It can't be written.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Failed, "unwritable", format!("`{}` can't be written: {error}", path.display()))
        .or_help("see that there is room, and that you may write there")
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_there(path: &Path) -> Failure {
    let failure = Failure::new(Kind::Failed, "file_exists", format!("`{}` is there already", path.display()));
    failure.or_help("name another file with --output, or write over it with --force")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_there_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sql");
        assert!(check(&path, false).is_ok());
        std::fs::write(&path, "x").unwrap();
        assert_eq!(check(&path, false).unwrap_err().code, "file_exists");
        assert!(check(&path, true).is_ok());
        assert_eq!(check(folder.path(), true).unwrap_err().kind, Kind::Usage);
        // Somebody may have been quicker since it was looked.
        let begun = |text: &[u8]| {
            let mut file = begin(&path, ".x-").unwrap();
            file.write_all(text).unwrap();
            file
        };
        assert_eq!(finish(begun(b"y"), &path, false).unwrap_err().code, "file_exists");
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
        finish(begun(b"z"), &path, true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"z");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }
}
