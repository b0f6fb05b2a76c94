//! The interfaces that the linker has, by name. A test imports something of each, so that this list can't say more than
//! is true; the sandbox's linker is the truth.

/// The packages, with the version that is linked and their interfaces.
pub(super) const OFFERED: [(&str, &str, &[&str]); 9] = [
    ("larder:host", "0.1.0", &["addon", "docker", "log", "secrets", "state", "tls"]),
    ("larder:provider", "0.1.0", &["types"]),
    (
        "wasi:cli",
        "0.2.12",
        &[
            "environment",
            "exit",
            "stderr",
            "stdin",
            "stdout",
            "terminal-input",
            "terminal-output",
            "terminal-stderr",
            "terminal-stdin",
            "terminal-stdout",
        ],
    ),
    ("wasi:clocks", "0.2.12", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", "0.2.12", &["preopens", "types"]),
    ("wasi:http", "0.2.12", &["outgoing-handler", "types"]),
    ("wasi:io", "0.2.12", &["error", "poll", "streams"]),
    ("wasi:random", "0.2.12", &["insecure", "insecure-seed", "random"]),
    (
        "wasi:sockets",
        "0.2.12",
        &["instance-network", "ip-name-lookup", "network", "tcp", "tcp-create-socket", "udp", "udp-create-socket"],
    ),
];

/// How many near names are told.
const NEAR_MAX: usize = 3;
/// A name is near if so few characters are other.
const DISTANCE_MAX: usize = 2;

/// What the host has for an import.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Just that, or a compatible version of it.
    Same,
    /// The interface, in this version.
    OtherVersion(String),
    /// No such interface; these have similar names.
    Nothing {
        /// Whole names.
        near: Vec<String>,
    },
}

/// `namespace:package/interface@version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// All but the version.
    pub(super) path: &'a str,
    version: Option<&'a str>,
}

impl<'a> Name<'a> {
    /// Any text is a name; one without a version just has none.
    pub(super) fn of(text: &'a str) -> Self {
        match text.split_once('@') {
            Some((path, version)) => Self { path, version: Some(version) },
            None => Self { path: text, version: None },
        }
    }

    /// What two versions share if one may stand for the other: the engine links by the same rule.
    fn track(&self) -> Option<&'a str> {
        let version = self.version?;
        if version.contains(['-', '+']) {
            return Some(version);
        }
        let mut dots = version.match_indices('.').map(|(at, _)| at);
        let (first, second) = (dots.next(), dots.next());
        Some(match (version.split('.').next()?, first, second) {
            ("0", Some(_), Some(_)) if version.starts_with("0.0.") => version,
            ("0", Some(_), Some(second)) => &version[..second],
            (_, Some(first), _) => &version[..first],
            _ => version,
        })
    }
}

/// Whether `found` may stand for `expected`.
pub(super) fn is_compatible(found: &str, expected: &str) -> bool {
    let (found, expected) = (Name::of(found), Name::of(expected));
    found.path == expected.path && found.track().is_some() && found.track() == expected.track()
}

/// What the host has for an import of that name.
pub(super) fn offer(import: &str) -> Offer {
    if all().any(|ours| is_compatible(import, &ours)) {
        return Offer::Same;
    }
    let path = Name::of(import).path;
    match all().find(|ours| Name::of(ours).path == path) {
        Some(ours) => Offer::OtherVersion(ours),
        None => Offer::Nothing { near: near(path) },
    }
}

/// All packages in one line.
pub(super) fn summary() -> String {
    OFFERED
        .iter()
        .map(|(package, version, interfaces)| format!("{package}/{{{}}}@{version}", interfaces.join(", ")))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Every interface's whole name.
pub fn all() -> impl Iterator<Item = String> {
    OFFERED.iter().flat_map(|(package, version, interfaces)| {
        interfaces.iter().map(move |interface| format!("{package}/{interface}@{version}"))
    })
}

fn near(path: &str) -> Vec<String> {
    // A name so long is near to nothing, and comparing it would take its time.
    if path.len() > 100 {
        return Vec::new();
    }
    let mut near: Vec<(usize, String)> = all()
        .map(|ours| (distance(path.as_bytes(), Name::of(&ours).path.as_bytes()), ours))
        .filter(|(distance, _)| *distance <= DISTANCE_MAX)
        .collect();
    near.sort();
    near.into_iter().take(NEAR_MAX).map(|(_, ours)| ours).collect()
}

/// How many bytes must be added, taken away or changed to make one of the other (Levenshtein).
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
