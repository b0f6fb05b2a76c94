//! What uploaders are told to be there is there.

use larder_inspect::offered;
use wasmtime::component::Component;

use super::linker;
use crate::{Compile, SandboxConfig, engine};

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
const SAMPLES: [(&str, &str); 32] = [
    ("larder:host/addon", r#"(export "addon" (type (sub resource)))"#),
    (
        "larder:host/docker",
        r#"(type $t (variant (case "invalid" string) (case "denied" string) (case "unfit" string) (case "superseded")
        (case "unavailable" string))) (export "error" (type $e (eq $t)))
        (export "remove" (func (param "name" string) (result (result (error $e)))))"#,
    ),
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
    ("larder:host/tls", r#"(export "connection" (type (sub resource)))"#),
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
    let linker = linker(&engine).unwrap();
    let links = |import: &str, sample: &str| {
        let wasm =
            wat::parse_str(format!(r#"(component {RESOURCES} (import "{import}" (instance {sample})))"#)).unwrap();
        linker.instantiate_pre(&Component::new(&engine, wasm).unwrap()).map(drop)
    };
    for name in offered() {
        let (path, _) = name.split_once('@').unwrap();
        match SAMPLES.iter().find(|(sampled, _)| *sampled == path) {
            Some((_, sample)) => links(&name, sample).unwrap(),
            None => assert!(OTHERS.contains(&path), "no sample of {name}"),
        }
    }
    assert!(links("wasi:cli/exit@0.3.0", SAMPLES[6].1).is_err(), "a sample tells whether there is an interface");
}
