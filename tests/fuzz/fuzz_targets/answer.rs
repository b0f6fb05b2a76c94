//! Whatever a guest hands back: a manifest, a configuration, words. Lines of the input stand for entries, `name=value`.

#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use larder_domain::addon::{AddonSpec, AnyVariable, DeclaredVariables};
use larder_domain::config::{RawConfig, RawEntry, check};
use larder_domain::failure::bounded_text;
use larder_domain::limits::MESSAGE_BYTES_MAX;
use larder_domain::manifest::Manifest;
use larder_domain::redact::redact;
use larder_domain::{AddonId, ComponentKind, ProvisionType, Role, SecretString, WallTime};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static SPEC: LazyLock<AddonSpec> = LazyLock::new(|| AddonSpec {
    id: AddonId::generate(),
    kind: ComponentKind::Provider,
    app: "app".parse().ok(),
    name: "name".parse().unwrap(),
    provider: "provider".parse().unwrap(),
    service: "service".parse().unwrap(),
    plan: "plan".parse().unwrap(),
    provision_type: ProvisionType::Independent,
    role: Role::User,
    attach_as: None,
    parameters: Value::Null.into(),
    variables: DeclaredVariables::Any(AnyVariable::Any),
    protected: false,
    external_id: None,
    parent: None,
    created_at: WallTime::default(),
});

fuzz_target!(|text: &str| {
    if let Ok(manifest) = Manifest::parse(text) {
        let again = serde_json::to_string(&manifest).unwrap();
        assert!(Manifest::parse(&again).is_ok(), "{again}");
    }
    let entries: Vec<RawEntry> = text.lines().filter_map(entry).collect();
    let secrets: Vec<SecretString> = entries.iter().map(|entry| entry.value.clone()).collect();
    let raw = RawConfig { variables: entries.clone(), credentials: entries };
    if let Ok(config) = check(raw, &SPEC) {
        let mut seen = HashSet::new();
        assert!(config.variables.iter().all(|variable| seen.insert(variable.name.to_string())), "a name twice");
        assert!(config.variables.iter().all(|variable| !variable.value.reveal().contains('\0')), "NUL in a value");
    }
    let words = bounded_text(redact(text.to_owned(), &secrets));
    assert!(words.len() <= MESSAGE_BYTES_MAX + '…'.len_utf8());
});

fn entry(line: &str) -> Option<RawEntry> {
    let (name, value) = line.split_once('=')?;
    Some(RawEntry { name: name.to_owned(), value: SecretString::new(value), secret: value.len() > 8 })
}
