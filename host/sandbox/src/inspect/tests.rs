//! The list of interfaces says what the linker has; and the rules about names.

use wasmtime::component::Component;

use super::offered::{Offer, all, is_compatible, offer};
use super::*;
use crate::{Compile, SandboxConfig, engine, linker};

/// Resources of which other interfaces speak.
const RESOURCES: &str = r#"
    (import "wasi:io/streams@0.2.0" (instance $streams
        (export "input-stream" (type (sub resource))) (export "output-stream" (type (sub resource)))))
    (alias export $streams "input-stream" (type $in)) (alias export $streams "output-stream" (type $out))
    (import "wasi:cli/terminal-input@0.2.0" (instance $ti (export "terminal-input" (type (sub resource)))))
    (alias export $ti "terminal-input" (type $tin))
    (import "wasi:cli/terminal-output@0.2.0" (instance $to (export "terminal-output" (type (sub resource)))))
    (alias export $to "terminal-output" (type $tout))
    (import "wasi:filesystem/types@0.2.0" (instance $files (export "descriptor" (type (sub resource)))))
    (alias export $files "descriptor" (type $descriptor))
    (import "wasi:sockets/network@0.2.0" (instance $net (export "network" (type (sub resource)))))
    (alias export $net "network" (type $network))"#;

/// Interfaces by something in each that only a linker that has the interface can provide.
const SAMPLES: [(&str, &str); 30] = [
    ("larder:host/addon", r#"(export "addon" (type (sub resource)))"#),
    (
        "larder:host/log",
        r#"(type $t (enum "debug" "info" "warn" "error")) (export "level" (type $l (eq $t)))
        (export "write" (func (param "level" $l) (param "message" string)))"#,
    ),
    ("larder:host/secrets", r#"(export "options-json" (func (result string)))"#),
    (
        "larder:host/state",
        r#"(type $t (variant (case "bad-key" u32) (case "full" u32) (case "superseded")
        (case "unavailable" string))) (export "error" (type $e (eq $t)))
        (export "checkpoint" (func (result (result (error $e)))))"#,
    ),
    ("wasi:cli/environment", r#"(export "get-arguments" (func (result (list string))))"#),
    ("wasi:cli/exit", r#"(export "exit" (func (param "status" (result))))"#),
    (
        "wasi:cli/stderr",
        r#"(export "output-stream" (type $o (eq $out))) (export "get-stderr" (func (result (own $o))))"#,
    ),
    ("wasi:cli/stdin", r#"(export "input-stream" (type $i (eq $in))) (export "get-stdin" (func (result (own $i))))"#),
    (
        "wasi:cli/stdout",
        r#"(export "output-stream" (type $o (eq $out))) (export "get-stdout" (func (result (own $o))))"#,
    ),
    ("wasi:cli/terminal-input", r#"(export "terminal-input" (type (sub resource)))"#),
    ("wasi:cli/terminal-output", r#"(export "terminal-output" (type (sub resource)))"#),
    (
        "wasi:cli/terminal-stderr",
        r#"(export "terminal-output" (type $t (eq $tout)))
        (export "get-terminal-stderr" (func (result (option (own $t)))))"#,
    ),
    (
        "wasi:cli/terminal-stdin",
        r#"(export "terminal-input" (type $t (eq $tin)))
        (export "get-terminal-stdin" (func (result (option (own $t)))))"#,
    ),
    (
        "wasi:cli/terminal-stdout",
        r#"(export "terminal-output" (type $t (eq $tout)))
        (export "get-terminal-stdout" (func (result (option (own $t)))))"#,
    ),
    ("wasi:clocks/monotonic-clock", r#"(export "now" (func (result u64)))"#),
    (
        "wasi:clocks/wall-clock",
        r#"(type $t (record (field "seconds" u64) (field "nanoseconds" u32)))
        (export "datetime" (type $d (eq $t))) (export "now" (func (result $d)))"#,
    ),
    (
        "wasi:filesystem/preopens",
        r#"(export "descriptor" (type $d (eq $descriptor)))
        (export "get-directories" (func (result (list (tuple (own $d) string)))))"#,
    ),
    ("wasi:filesystem/types", r#"(export "descriptor" (type (sub resource)))"#),
    ("wasi:http/types", r#"(export "fields" (type (sub resource)))"#),
    ("wasi:io/error", r#"(export "error" (type (sub resource)))"#),
    ("wasi:io/poll", r#"(export "pollable" (type (sub resource)))"#),
    ("wasi:io/streams", r#"(export "input-stream" (type (sub resource)))"#),
    ("wasi:random/insecure", r#"(export "get-insecure-random-u64" (func (result u64)))"#),
    ("wasi:random/insecure-seed", r#"(export "insecure-seed" (func (result (tuple u64 u64))))"#),
    ("wasi:random/random", r#"(export "get-random-u64" (func (result u64)))"#),
    (
        "wasi:sockets/instance-network",
        r#"(export "network" (type $n (eq $network)))
        (export "instance-network" (func (result (own $n))))"#,
    ),
    ("wasi:sockets/network", r#"(export "network" (type (sub resource)))"#),
    ("wasi:sockets/ip-name-lookup", r#"(export "resolve-address-stream" (type (sub resource)))"#),
    ("wasi:sockets/tcp", r#"(export "tcp-socket" (type (sub resource)))"#),
    ("wasi:sockets/udp", r#"(export "udp-socket" (type (sub resource)))"#),
];

/// Of types alone, or imported by the guests of this crate's other tests.
const OTHERS: [&str; 4] = [
    "larder:provider/types",
    "wasi:http/outgoing-handler",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp-create-socket",
];

#[test]
fn every_interface_on_the_list_is_linked() {
    let config = SandboxConfig { calls_max: 1, ..SandboxConfig::compiling(Compile::Here) };
    let engine = engine::engine(&config).unwrap();
    let linker = linker::linker(&engine).unwrap();
    let links = |import: &str, sample: &str| {
        let wasm =
            wat::parse_str(format!(r#"(component {RESOURCES} (import "{import}" (instance {sample})))"#)).unwrap();
        linker.instantiate_pre(&Component::new(&engine, wasm).unwrap()).map(drop)
    };
    for name in all() {
        let path = Name::of(&name).path;
        match SAMPLES.iter().find(|(sampled, _)| *sampled == path) {
            Some((_, sample)) => links(&name, sample).unwrap(),
            None => assert!(OTHERS.contains(&path), "no sample of {name}"),
        }
    }
    assert!(links("wasi:cli/exit@0.3.0", SAMPLES[5].1).is_err(), "a sample tells whether there is an interface");
}

#[test]
fn versions_follow_the_rules_by_which_the_engine_links() {
    for (found, expected, compatible) in [
        ("a:b/c@0.2.6", "a:b/c@0.2.12", true),
        ("a:b/c@0.2.99", "a:b/c@0.2.12", true),
        ("a:b/c@0.3.0", "a:b/c@0.2.12", false),
        ("a:b/c@1.2.3", "a:b/c@1.9.0", true),
        ("a:b/c@2.0.0", "a:b/c@1.9.0", false),
        ("a:b/c@0.0.1", "a:b/c@0.0.2", false),
        ("a:b/c@0.2.0-rc.1", "a:b/c@0.2.0", false),
        ("a:b/c", "a:b/c@0.2.0", false),
        ("a:b/d@0.2.0", "a:b/c@0.2.0", false),
        ("a:b/c@", "a:b/c@0.2.0", false),
        ("a:b/c@0", "a:b/c@0.2.0", false),
    ] {
        assert_eq!(is_compatible(found, expected), compatible, "{found} for {expected}");
    }
}

#[test]
fn unknown_names_are_answered_with_near_ones() {
    assert_eq!(offer("wasi:io/streams@0.2.0"), Offer::Same);
    assert_eq!(offer("wasi:http/types@0.3.0"), Offer::OtherVersion("wasi:http/types@0.2.12".to_owned()));
    assert_eq!(offer("larder:host/adon@0.1.0"), Offer::Nothing { near: vec!["larder:host/addon@0.1.0".to_owned()] });
    assert_eq!(offer("wasi:keyvalue/store@0.2.0"), Offer::Nothing { near: vec![] });
    assert_eq!(offer(&"x".repeat(1_000_000)), Offer::Nothing { near: vec![] });
}

#[test]
fn a_strangers_names_are_cut_and_escaped() {
    assert_eq!(quoted("a\u{1b}[31m\n"), r"a\u{1b}[31m\n");
    assert_eq!(quoted(&"ä".repeat(1000)).chars().count(), 101);
    assert_eq!(listed(&["a", "b", "c", "d", "e", "f", "g", "h"].map(str::to_owned)), "a, b, c, d, e, f and 2 more");
}
