//! Test guests are there for tests: one that nothing uses goes, and the table of attacks names tests that exist.

use super::{File, Problem};

const GUESTS: &str = "tests/guests/";
const TABLE: &str = "tests/guests/README.md";

/// Guests that no test names.
pub(crate) fn unused(files: &[File]) -> Vec<Problem> {
    let names = files.iter().filter_map(|file| {
        let name = file.path.strip_prefix(GUESTS)?.strip_suffix("/Cargo.toml")?;
        Some((file.path.as_str(), name))
    });
    let is_test = |file: &&File| file.is_rust() && file.path.contains("tests/") && !file.path.starts_with(GUESTS);
    let is_named = |name: &str| {
        let quoted = format!("\"{name}\"");
        files.iter().filter(is_test).any(|file| file.text.contains(&quoted))
    };
    let what = |name: &str| format!("no test uses the guest `{name}`: write one, or remove the guest");
    names.filter(|(_, name)| !is_named(name)).map(|(path, name)| Problem::at(path, 1, what(name))).collect()
}

/// Tests that the table of attacks names and that are not there.
pub(crate) fn missing_tests(files: &[File]) -> Vec<Problem> {
    let table = files.iter().filter(|file| file.path == TABLE);
    let is_there = |test: &str| {
        let function = format!("fn {test}(");
        files.iter().any(|file| file.is_rust() && file.text.contains(&function))
    };
    let rows = table.flat_map(|file| file.text.lines().enumerate().filter(|(_, line)| line.starts_with('|')));
    let named = rows.flat_map(|(at, line)| line.split('`').filter_map(test_name).map(move |test| (at, test)));
    let what = |test: &str| format!("there is no test `{test}`: correct the name, or write the test");
    named.filter(|(_, test)| !is_there(test)).map(|(at, test)| Problem::at(TABLE, at + 1, what(test))).collect()
}

/// The function's name in `module::function`; none for a module of tests.
fn test_name(text: &str) -> Option<&str> {
    let (path, name) = text.rsplit_once("::")?;
    let is_name =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
    let is_path = path.split("::").all(|part| is_name(part.rsplit(": ").next().unwrap_or(part)));
    (is_path && is_name(name) && name.contains('_')).then_some(name)
}
