//! An app's variables as files that other programs read. Each format has its own way of writing what is not plain, and each is
//! written so that its reader gets the very same value, or not at all.

use larder_control::EnvironmentVariable;

use crate::problem::{Problem, UNREPRESENTABLE_VALUE};

/// Docker reads env-files in lines up to this length, in bytes.
const DOCKER_LINE_BYTES_MAX: usize = 64 * 1024 - 1;

/// Lines for a POSIX shell: `set -a; . ./file`.
pub(crate) fn posix_shell(variables: &[EnvironmentVariable]) -> String {
    lines(
        variables,
        |value| {
            if is_plain(value) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
        },
    )
}

/// Lines for systemd's `EnvironmentFile=` (systemd.exec(5)): within double quotes, four characters have a meaning.
pub(crate) fn systemd(variables: &[EnvironmentVariable]) -> String {
    lines(variables, |value| {
        if is_plain(value) {
            return value.to_owned();
        }
        let mut quoted = String::with_capacity(value.len() + 2);
        quoted.push('"');
        for c in value.chars() {
            if matches!(c, '"' | '\\' | '`' | '$') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        quoted.push('"');
        quoted
    })
}

/// Lines for `docker run --env-file`, which knows no quotes: everything after `=` is the value.
pub(crate) fn docker(variables: &[EnvironmentVariable]) -> Result<String, Problem> {
    let refuse = |name: &str, reason: &str| {
        let detail = format!("Docker's env-file can't hold the value of {name}: it {reason}");
        Err(Problem::new(UNREPRESENTABLE_VALUE, detail))
    };
    for variable in variables {
        let value = variable.value.reveal();
        if value.contains(['\n', '\r']) {
            return refuse(&variable.name, "has a line break");
        }
        if variable.name.len() + 1 + value.len() > DOCKER_LINE_BYTES_MAX {
            return refuse(&variable.name, "is longer than the 64 KiB that Docker reads of a line");
        }
    }
    Ok(lines(variables, str::to_owned))
}

fn lines(variables: &[EnvironmentVariable], write: impl Fn(&str) -> String) -> String {
    variables.iter().map(|variable| format!("{}={}\n", variable.name, write(variable.value.reveal()))).collect()
}

/// Whether no reader finds a meaning in it. A `~` has one after `=`.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte))
}

#[cfg(test)]
mod tests;
