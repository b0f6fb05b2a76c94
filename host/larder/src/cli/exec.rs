//! Becomes another program: nothing of this process is left, so signals, the terminal and the exit code are the
//! program's own.
//!
//! Whoever is started gets an environment that was made for it. Nothing that this command line was configured
//! with is ever in it: a token of the server's is not for apps.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::failure::{Failure, Kind};

/// Larder's own variables.
const OURS: &[&str] = &["LARDER_*"];

/// Names and values.
pub(crate) type Environment = BTreeMap<OsString, OsString>;

/// A program to become.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) name: OsString,
    pub(crate) args: Vec<OsString>,
    /// All that it gets.
    pub(crate) environment: Environment,
}

impl Program {
    /// Becomes the program. Comes back only if that can't be.
    pub(crate) fn exec(self) -> Failure {
        let error = Command::new(&self.name).args(&self.args).env_clear().envs(&self.environment).exec();
        refused(&self.name, &error)
    }
}

/// What this process may pass on of its environment: all but Larder's own.
pub(crate) fn passed_on(inherited: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    inherited.into_iter().filter(|(name, _)| !is_among(name, OURS)).collect()
}

/// Whether a variable is one of these; a trailing `*` covers every name that begins so.
pub(crate) fn is_among(name: &OsStr, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.as_bytes().starts_with(beginning.as_bytes()),
        None => name == *pattern,
    })
}

/// Where the program is that a shell would start under this name.
pub(crate) fn find(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let folders = std::env::split_paths(path?).filter(|folder| !folder.as_os_str().is_empty());
    folders.map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The exit codes are those of shells and of `env`.
fn refused(name: &OsStr, error: &io::Error) -> Failure {
    let shown = name.to_string_lossy();
    let is_there = name.as_bytes().contains(&b'/') && Path::new(name).exists();
    let not_executable = |detail: String| Failure::new(Kind::NotExecutable, "not_executable", detail);
    match error.kind() {
        ErrorKind::NotFound if is_there => {
            not_executable(format!("`{shown}` is there, but not the interpreter or loader that it names"))
                .or_help("look at its first line, or at what it was built for")
        }
        ErrorKind::NotFound => {
            Failure::new(Kind::CommandMissing, "command_not_found", format!("there is no command `{shown}`"))
                .or_help("check its spelling, and whether PATH has its folder")
        }
        ErrorKind::PermissionDenied => not_executable(format!("`{shown}` may not be executed: {error}"))
            .or_help("it has to be a file with the permission to execute it (`chmod +x`)"),
        ErrorKind::ArgumentListTooLong => {
            not_executable(format!("`{shown}` can't be started: its arguments and variables are too long"))
                .or_help("Linux takes 128 KiB for each; see which one is long with `larder config show APP --json`")
        }
        _ => not_executable(format!("`{shown}` can't be started: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (OsString, OsString) {
        (name.into(), value.into())
    }

    #[test]
    fn nothing_of_ours_is_passed_on() {
        let inherited = [pair("LARDER_TOKEN", "s3cret"), pair("LARDER_X", "x"), pair("HOME", "/h"), pair("LARDER", "")];
        assert_eq!(passed_on(inherited), Environment::from([pair("HOME", "/h"), pair("LARDER", "")]));
    }

    #[test]
    fn programs_are_found_as_a_shell_does() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, program) = (folder.path().join("plain"), folder.path().join("program"));
        for file in [&plain, &program] {
            fs::write(file, "").unwrap();
        }
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        let path = std::env::join_paths([Path::new("/nowhere"), folder.path()]).unwrap();
        assert_eq!(find("program", Some(&path)), Some(program));
        for name in ["plain", "folder", "missing"] {
            assert_eq!(find(name, Some(&path)), None, "{name}");
        }
        assert_eq!(find("program", None), None);
    }

    #[test]
    fn what_cannot_be_started_ends_as_in_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let start = |name: &OsStr| {
            let error = Command::new(name).spawn().unwrap_err();
            let failure = refused(name, &error);
            (failure.kind.exit_code(), failure.code)
        };
        assert_eq!(start("no-such-program".as_ref()), (127, "command_not_found".into()));
        assert_eq!(start(folder.path().join("none").as_os_str()), (127, "command_not_found".into()));
        assert_eq!(start(folder.path().as_os_str()), (126, "not_executable".into()));
        let script = folder.path().join("script");
        fs::write(&script, "#!/nowhere/interpreter\n").unwrap();
        assert_eq!(start(script.as_os_str()).0, 126);
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let failure = refused(script.as_os_str(), &ErrorKind::NotFound.into());
        assert!(failure.kind.exit_code() == 126 && failure.detail.contains("interpreter"), "{failure:?}");
    }
}
