//! Where a server keeps its state unless told otherwise, and where commands look for a local server.
//! Both ask here, so that they agree.

use std::env;
use std::path::{Path, PathBuf};

/// The file in which a running server tells its address.
pub(crate) const SERVER_FILE: &str = "server.json";
/// The file with the administrator's token.
pub(crate) const TOKEN_FILE: &str = "admin.token";
/// The file with the key that seals what is stored.
pub(crate) const KEY_FILE: &str = "sealing.key";

/// The data directory: the one that was named, else `./data` if that is one already, else Larder's folder
/// among the user's data.
///
/// A `./data` of another program is left alone: it counts only with a file of ours in it.
pub(crate) fn resolve(named: Option<&Path>) -> PathBuf {
    if let Some(named) = named.filter(|path| !path.as_os_str().is_empty()) {
        return named.to_owned();
    }
    let local = PathBuf::from("data");
    if is_data_dir(&local) {
        return local;
    }
    users_folder("XDG_DATA_HOME", ".local/share").unwrap_or(local)
}

/// Larder's folder of one kind, as the XDG base directory specification places it; none without a home.
pub(crate) fn users_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    place(env::var_os(variable).map(PathBuf::from), env::home_dir(), below_home)
}

fn is_data_dir(folder: &Path) -> bool {
    [SERVER_FILE, TOKEN_FILE].iter().any(|file| folder.join(file).is_file())
}

/// The specification has relative paths ignored.
fn place(named: Option<PathBuf>, home: Option<PathBuf>, below_home: &str) -> Option<PathBuf> {
    let base = named.filter(|path| path.is_absolute());
    let base = base.or_else(|| home.filter(|path| path.is_absolute()).map(|home| home.join(below_home)));
    base.map(|base| base.join("larder"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_folder_wins_and_an_empty_name_is_none() {
        assert_eq!(resolve(Some(Path::new("here"))), Path::new("here"));
        assert_ne!(resolve(Some(Path::new(""))), Path::new(""));
    }

    #[test]
    fn users_folders_follow_the_specification() {
        let home = || Some(PathBuf::from("/home/ann"));
        let at = |path: &str| Some(PathBuf::from(path));
        assert_eq!(place(at("/x"), home(), ".local/share"), at("/x/larder"));
        assert_eq!(place(at("relative"), home(), ".local/share"), at("/home/ann/.local/share/larder"));
        assert_eq!(place(None, home(), ".config"), at("/home/ann/.config/larder"));
        assert_eq!(place(None, None, ".config"), None);
    }

    #[test]
    fn a_folder_of_another_program_is_no_data_directory() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("numbers.csv"), "1").unwrap();
        assert!(!is_data_dir(folder.path()));
        std::fs::write(folder.path().join(TOKEN_FILE), "t").unwrap();
        assert!(is_data_dir(folder.path()));
    }
}
