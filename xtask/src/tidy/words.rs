//! Words that must not be in the repository: places on somebody's machine, and servers that packages
//! happen to come from. Both differ from one reader to the next.

use super::{File, Problem};

/// Folders that exist on one machine only. In two parts, so that this file does not break its own rule.
const PLACES: [(&str, &str); 2] = [("/wo", "rk/"), ("/ro", "ot/")];

/// Package servers, whose name is a setting of each machine.
const SERVERS: [(&str, &str); 6] = [
    ("crates", ".io"),
    ("npm", "js"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("deb.debian", ".org"),
    ("static.rust-lang", ".org"),
];

/// Finds them, but for lock files, which name the registry they were made from.
pub(crate) fn banned(file: &File) -> Vec<Problem> {
    if file.path.ends_with(".lock") || file.path.ends_with("package-lock.json") {
        return Vec::new();
    }
    let lines = file.text.lines().enumerate();
    lines.flat_map(|(index, line)| in_line(&file.path, index + 1, line)).collect()
}

fn in_line(path: &str, number: usize, line: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for place in PLACES.map(|(first, second)| format!("{first}{second}")) {
        if begins_a_path(line, &place) {
            let what = format!("`{place}` is one machine's folder: use a relative or temporary path");
            problems.push(Problem::at(path, number, what));
        }
    }
    for server in SERVERS.map(|(first, second)| format!("{first}{second}")) {
        if line.to_lowercase().contains(&server) {
            let what = format!("names the package server `{server}`: say `the registry` instead");
            problems.push(Problem::at(path, number, what));
        }
    }
    problems
}

/// `/place/` at the start of a path, not in the middle of one.
fn begins_a_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !"}._-/*~>)".contains(before))
    })
}
