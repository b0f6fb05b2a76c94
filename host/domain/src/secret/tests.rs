//! Whoever holds a secret tells nobody, and leaves none behind.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::*;
use crate::addon::{ComponentKind, DeclaredVariables, ProvisionType, Role};
use crate::config::{AddonConfig, Credential, RawConfig, RawEntry, Variable};
use crate::docker::Command;
use crate::operation::PlanAndParameters;
use crate::ports::engine::{Exec, ExecOutput};
use crate::ports::runtime::{CallReport, Reply};
use crate::ports::store::{Change, Fence, NewAddon};
use crate::{Addon, AddonId, AddonSpec, Event, StoreTime, WallTime};

const WORD: &str = "hunter2";

fn is_wiped_when_dropped<T: ZeroizeOnDrop>() {}

#[track_caller]
fn tells_nothing(holder: &impl Debug) {
    let bytes: Vec<String> = WORD.bytes().map(|byte| byte.to_string()).collect();
    let bytes = bytes.join(", ");
    for told in [format!("{holder:?}"), format!("{holder:#?}").replace(",\n", ", ").replace("  ", "")] {
        assert!(!told.contains(WORD) && !told.contains(&bytes), "{told}");
    }
}

fn text() -> SecretString {
    SecretString::new(WORD)
}

fn parameters() -> SecretJson {
    json!({ "password": WORD, "more": [WORD] }).into()
}

fn state() -> GuestState {
    GuestState::from([("password".into(), WORD.as_bytes().to_vec())])
}

fn spec(id: AddonId) -> AddonSpec {
    AddonSpec {
        id,
        kind: ComponentKind::Provider,
        app: None,
        name: "db".parse().unwrap(),
        provider: "pg".parse().unwrap(),
        service: "postgres".parse().unwrap(),
        plan: "small".parse().unwrap(),
        provision_type: ProvisionType::Independent,
        role: Role::User,
        attach_as: None,
        parameters: parameters(),
        variables: DeclaredVariables::Names(vec![]),
        protected: false,
        external_id: None,
        parent: None,
        created_at: WallTime(0),
    }
}

fn config() -> AddonConfig {
    let variable = Variable { name: "A".parse().unwrap(), value: text(), secret: true };
    AddonConfig {
        variables: vec![variable],
        credentials: vec![Credential { key: "uri".into(), value: text(), secret: true }],
    }
}

#[test]
fn secrets_are_wiped_when_they_are_dropped() {
    is_wiped_when_dropped::<SecretString>();
    is_wiped_when_dropped::<SecretBytes>();
    is_wiped_when_dropped::<SecretJson>();
    is_wiped_when_dropped::<GuestState>();
    is_wiped_when_dropped::<Seed>();
    let mut bytes = SecretBytes::from(WORD.as_bytes().to_vec());
    bytes.zeroize();
    assert!(bytes.is_empty());
    let mut bytes = SecretBytes::from(WORD.as_bytes().to_vec());
    bytes.truncate(99);
    bytes.truncate(6);
    assert_eq!(bytes.into_vec(), b"hunter");
}

#[test]
fn whoever_holds_a_secret_does_not_tell_it() {
    let id = AddonId::generate();
    let bytes = || SecretBytes::from(WORD.as_bytes().to_vec());
    tells_nothing(&(text(), bytes(), parameters(), state(), Seed(*b"hunter2hunter2hunter2hunter2hunt")));
    tells_nothing(&spec(id));
    tells_nothing(&PlanAndParameters { plan: "small".parse().unwrap(), parameters: parameters() });
    let addon = Addon::new(id, 1, 1, StoreTime(0));
    let seed = Seed([0; 32]);
    tells_nothing(&NewAddon {
        app_addons_max: 1,
        spec: spec(id),
        addon,
        seed,
        server: None,
        engine: None,
        reserve: vec![],
        idempotency: None,
    });
    let entry = || RawEntry { name: "A".into(), value: text(), secret: true };
    let raw = RawConfig { variables: vec![entry()], credentials: vec![entry()] };
    let report = CallReport {
        outcome: Ok(Ok(Reply::Config(raw))),
        state: Some(state()),
        log: vec![],
        denied: vec![],
        denials: 0,
        objects: None,
        issued: vec![text()],
        cpu: Duration::ZERO,
        wall: Duration::ZERO,
    };
    tells_nothing(&report);
    tells_nothing(&Reply::Transfer(text()));
    let bare = Change::new(id, Event::Configured(Box::new(config())), Fence::User);
    tells_nothing(&Change { state: Some(state()), issued: Some(vec![text()]), ..bare });
    let env = || [("PASSWORD".to_owned(), text())].into_iter().collect();
    tells_nothing(&Command { command: vec![text()], env: env(), user: None });
    let (output_bytes_max, wall) = (1, Duration::ZERO);
    tells_nothing(&Exec { command: vec![text()], env: env(), user: None, stdin: bytes(), output_bytes_max, wall });
    tells_nothing(&ExecOutput { code: 0, stdout: bytes(), stderr: bytes(), truncated: false });
}

/// What fields are called that hold secrets.
const SECRET_FIELDS: [&str; 25] = [
    "parameters",
    "new_parameters",
    "options",
    "seed",
    "password",
    "secret",
    "secrets",
    "issued",
    "credentials",
    "value",
    "values",
    "state",
    "old_state",
    "plain",
    "config",
    "server_config",
    "document",
    "env",
    "stdin",
    "stdout",
    "stderr",
    "transfer",
    "login",
    "command",
    "token",
];
/// What shows what is in it, and is not wiped.
const OPEN_TYPES: [&str; 6] = ["String", "Vec<u8>", "Value", "[u8;", "Cow<", "&'a str"];
/// Fields of such names that hold none: the file's end, and the field or `*`.
const NO_SECRETS: [(&str, &str); 7] = [
    // Names of destinations, hosts and limits, which manifests ask for and operators grant.
    ("domain/src/grants.rs", "value"),
    ("domain/src/manifest.rs", "value"),
    // Schemas, which manifests show to everybody.
    ("domain/src/manifest.rs", "options"),
    ("domain/src/manifest.rs", "parameters"),
    // Sealed, all of them.
    ("store/src/sql/objects.rs", "*"),
    ("store/src/sql/addons/apply.rs", "*"),
    ("store/src/sql/addons/record.rs", "*"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// A field's name and type, if a line declares one.
fn field(line: &str) -> Option<(&str, &str)> {
    let declared = line.trim().strip_suffix(',')?;
    let declared =
        declared.strip_prefix("pub").map_or(declared, |rest| rest.trim_start_matches(|c| c != ' ').trim_start());
    let (name, kind) = declared.split_once(": ")?;
    (!name.contains(|c: char| !c.is_ascii_lowercase() && c != '_') && !kind.contains("::") && !kind.contains('('))
        .then_some((name, kind))
}

#[test]
fn no_field_of_a_secret_shows_what_is_in_it() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = vec![];
    ["domain", "store", "control"].iter().for_each(|part| sources(&host.join(part).join("src"), &mut files));
    assert!(files.len() > 100, "{}", files.len());
    let mut shown = vec![];
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (name, kind) in text.lines().filter_map(field) {
            let is_open = OPEN_TYPES.iter().any(|open| kind.contains(open))
                && !kind.contains("Secret")
                && !kind.contains("Zeroizing");
            let is_known = NO_SECRETS.iter().any(|(file, field)| path.ends_with(file) && ["*", name].contains(field));
            if SECRET_FIELDS.contains(&name) && is_open && !is_known {
                shown.push(format!("{}: {name}: {kind}", path.display()));
            }
        }
    }
    assert!(shown.is_empty(), "use SecretString, SecretBytes or SecretJson:\n{}", shown.join("\n"));
    assert_eq!(field("    pub(super) stdin: Vec<u8>,"), Some(("stdin", "Vec<u8>")), "it is seen at all");
}
