//! How long files and functions may be: what does not fit into a head is not reviewed, only trusted.

use super::source::{code_only, production};
use super::{File, Problem};

const FILE_LINES_WARN: usize = 400;
const FILE_LINES_MAX: usize = 450;
const FUNCTION_LINES_MAX: usize = 70;

/// The part of a file that is no test.
pub(crate) fn file_length(file: &File) -> Vec<Problem> {
    if !file.is_rust() || is_test_file(&file.path) {
        return Vec::new();
    }
    let lines = production(&code_only(&file.text)).lines().count();
    let advice = "split it by what it does, and move its tests to a file of their own";
    let what = format!("{lines} lines without tests, at most {FILE_LINES_MAX}: {advice}");
    let problem = Problem::at(&file.path, 1, what);
    match lines {
        _ if lines > FILE_LINES_MAX => vec![problem],
        _ if lines > FILE_LINES_WARN => vec![problem.warning()],
        _ => Vec::new(),
    }
}

/// Every function of that part, its signature included.
pub(crate) fn function_length(file: &File) -> Vec<Problem> {
    if !file.is_rust() || is_test_file(&file.path) {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let too_long = |function: &Function| function.lines > FUNCTION_LINES_MAX;
    let problem = |function: Function| {
        let Function { name, line, lines } = function;
        let what = format!("`{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}: give a part of it a name");
        Problem::at(&file.path, line, what)
    };
    functions(production(&code)).into_iter().filter(too_long).map(problem).collect()
}

/// Tests tell stories, and stories may be long.
fn is_test_file(path: &str) -> bool {
    let mut parts = path.split('/').rev();
    parts.next() == Some("tests.rs") || parts.any(|part| part == "tests" || part == "benches")
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// All functions with a body, in code without strings and comments.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = declared(line) else { continue };
        if let Some(length) = body_end(&lines[start..]) {
            found.push(Function { name: name.to_owned(), line: start + 1, lines: length });
        }
    }
    found
}

/// The name in `pub async fn name(…`, if the line declares a function.
fn declared(line: &str) -> Option<&str> {
    const BEFORE: [&str; 6] = ["const", "async", "unsafe", "extern", "default", "safe"];
    let (before, after) = line.split_once("fn ")?;
    let is_qualifier = |word: &str| word.starts_with("pub") || BEFORE.contains(&word);
    let visible_to = |word: &str| word == "crate)" || word.ends_with(')');
    if !before.split_whitespace().all(|word| is_qualifier(word) || visible_to(word)) {
        return None;
    }
    let end = after.find(|character: char| !character.is_alphanumeric() && character != '_')?;
    (end > 0).then(|| &after[..end])
}

/// How many lines until the brace that closes the body; nothing for a declaration that ends in `;`.
fn body_end(lines: &[&str]) -> Option<usize> {
    let (mut braces, mut brackets) = (0usize, 0usize);
    for (index, line) in lines.iter().enumerate() {
        for character in line.chars() {
            match character {
                '{' => braces += 1,
                '}' => {
                    braces = braces.checked_sub(1)?;
                    if braces == 0 && brackets == 0 {
                        return Some(index + 1);
                    }
                }
                // The length of an array type: its `;` ends nothing.
                '[' | '(' => brackets += 1,
                ']' | ')' => brackets = brackets.saturating_sub(1),
                ';' if braces == 0 && brackets == 0 => return None,
                _ => {}
            }
        }
    }
    None
}
