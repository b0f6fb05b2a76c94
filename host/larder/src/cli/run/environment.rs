//! The environment of a command that is run for an app.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::cli::exec::{Environment, is_among, passed_on};

/// What a program hardly works without, and what has nothing to do with any app.
const NEEDED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "TMPDIR",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TZDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_RUNTIME_DIR",
];

/// What is inherited, without Larder's own; over it what the app has. `only` keeps what is needed of the former.
pub(super) fn make(
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    variables: BTreeMap<String, String>,
    only: bool,
) -> Environment {
    let mut environment = passed_on(inherited);
    if only {
        environment.retain(|name, _| is_among(name, NEEDED));
    }
    environment.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(only: bool) -> Vec<(String, String)> {
        let inherited = [
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("AWS_SECRET", "leaks"),
            ("DATABASE_URL", "stale"),
            ("LARDER_TOKEN", "s3cret"),
            ("LARDER_SERVICES", "stale"),
        ];
        let inherited = inherited.map(|(name, value)| (name.into(), value.into()));
        let variables = [("DATABASE_URL", "fresh"), ("LARDER_SERVICES", "{}")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let text = |text: OsString| text.into_string().unwrap();
        make(inherited, variables, only).into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_apps_variables_win_and_ours_stay_here() {
        let expected = [
            ("AWS_SECRET", "leaks"),
            ("DATABASE_URL", "fresh"),
            ("LARDER_SERVICES", "{}"),
            ("LC_ALL", "C"),
            ("PATH", "/bin"),
        ];
        assert_eq!(made(false), owned(&expected));
    }

    #[test]
    fn a_bare_environment_has_what_is_needed() {
        let expected = [("DATABASE_URL", "fresh"), ("LARDER_SERVICES", "{}"), ("LC_ALL", "C"), ("PATH", "/bin")];
        assert_eq!(made(true), owned(&expected));
    }
}
