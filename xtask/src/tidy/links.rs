//! Links in documents: one that leads nowhere is worse than none.

use std::path::Path;

use super::{File, Problem};

/// Links to files that are not there.
pub(crate) fn broken(file: &File, root: &Path) -> Vec<Problem> {
    if !file.path.ends_with(".md") {
        return Vec::new();
    }
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let leads_nowhere = |target: &str| match target.strip_prefix('/') {
        Some(from_top) => !root.join(from_top).exists(),
        None => !root.join(folder).join(target).exists(),
    };
    local_targets(&file.text)
        .into_iter()
        .filter(|(_, target)| leads_nowhere(target))
        .map(|(line, target)| {
            let what = format!("the link to `{target}` leads nowhere: mend or remove it");
            Problem::at(&file.path, line, what)
        })
        .collect()
}

/// Line and path of every link into the repository, outside code.
pub(crate) fn local_targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    let mut in_fence = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            in_fence = !in_fence;
        } else if !in_fence {
            let line = without_code(line);
            let found = inline(&line).into_iter().chain(reference(&line));
            targets.extend(found.filter_map(|link| Some((index + 1, local(&link)?))));
        }
    }
    targets
}

/// `[text](target "title")`.
fn inline(line: &str) -> Vec<String> {
    let pieces = line.split("](").skip(1);
    pieces.filter_map(|piece| piece.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// `[name]: target`.
fn reference(line: &str) -> Option<String> {
    let (name, target) = line.trim().strip_prefix('[')?.split_once("]: ")?;
    (!name.contains(']')).then(|| target.to_owned())
}

/// The path of a link, if it stays in the repository.
fn local(link: &str) -> Option<String> {
    let target = link.split_whitespace().next()?.trim_start_matches('<').trim_end_matches('>');
    let path = target.split('#').next().unwrap_or_default();
    let elsewhere = path.contains("://") || path.starts_with("mailto:") || path.is_empty();
    (!elsewhere).then(|| path.to_owned())
}

/// Blanks what stands between backticks.
fn without_code(line: &str) -> String {
    let pieces = line.split('`').enumerate();
    pieces.map(|(index, piece)| if index % 2 == 0 { piece } else { "" }).collect()
}
