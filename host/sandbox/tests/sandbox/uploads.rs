//! What is refused, with which words, and that nothing else happens to the host.

use larder_domain::Digest;
use larder_domain::ports::ProviderRuntime;
use larder_sandbox::COMPONENT_BYTES_MAX;

use crate::bytes::{code_of_nops, component_of, module, repeated, types};
use crate::guest::{Guest, assemble};
use crate::host::sandbox;

fn check(wasm: &[u8], code: &str, words: &[&str]) {
    let refusal = sandbox().inspect(wasm).unwrap_err();
    assert_eq!(refusal.code, code, "{refusal}");
    for word in words {
        assert!(refusal.message.contains(word), "{word:?} is not in: {refusal}");
    }
    assert!(refusal.message.len() < 2000, "{refusal}");
}

/// A component that passes inspection and is refused when it is loaded.
async fn check_load(wasm: Vec<u8>, code: &str, words: &[&str]) {
    let sandbox = sandbox();
    sandbox.inspect(&wasm).unwrap();
    let digest = Digest([9; 32]);
    let refusal = sandbox.load(digest, wasm).await.unwrap_err();
    assert_eq!(refusal.code, code, "{refusal}");
    for word in words {
        assert!(refusal.message.contains(word), "{word:?} is not in: {refusal}");
    }
    assert!(!sandbox.is_loaded(digest));
}

#[test]
fn a_provider_passes() {
    sandbox().inspect(&Guest::default().wasm()).unwrap();
}

#[test]
fn what_is_no_component_is_named_for_what_it_is() {
    check(b"", "not_wasm", &["empty"]);
    check(b"#!/bin/sh\n", "not_wasm", &["00 61 73 6d", "wasm32-wasip2"]);
    check(b"\n (component)", "not_wasm", &["text format", "wasm-tools parse"]);
    check(b";; a module\n(module)", "not_wasm", &["text format"]);
    check(b"\x7fELF\x02\x01\x01\0", "not_wasm", &[".cwasm"]);
    check(b"\x1f\x8b\x08\0", "not_wasm", &["gzip"]);
    check(&assemble("(module)"), "core_module", &["wasm32-wasip2", "wasm-tools component new"]);
    check(b"\0asm", "invalid_component", &["cut off"]);
    check(b"\0asm\x0d\0\x02\0", "invalid_component", &["layer 1"]);
    check(&vec![0; COMPONENT_BYTES_MAX + 1], "too_large", &["33554433 bytes", "33554432"]);
}

#[test]
fn other_worlds_are_told_what_is_expected() {
    check(&assemble("(component)"), "wrong_world", &["exports nothing", "larder:provider/lifecycle@0.1.0"]);
    let command = r#"(component (core module $m (func (export "run") (result i32) (i32.const 0)))
        (core instance $m (instantiate $m)) (func $run (result (result)) (canon lift (core func $m "run")))
        (instance $run (export "run" (func $run))) (export "wasi:cli/run@0.2.6" (instance $run)))"#;
    check(&assemble(command), "wrong_world", &["exports wasi:cli/run@0.2.6", "larder:provider/catalog@0.1.0", "SDK"]);

    let half = Guest::default().text().replace("larder:provider/catalog@0.1.0", "other:thing/catalog@0.1.0");
    check(&assemble(&half), "wrong_world", &["other:thing/catalog@0.1.0"]);
    let renamed = Guest::default().text().replace(r#"(export "deprovision" (func $deprovision))"#, "");
    check(&assemble(&renamed), "wrong_world", &["without the function deprovision"]);
    let newer = Guest::default().text().replace("larder:provider/lifecycle@0.1.0", "larder:provider/lifecycle@0.9.2");
    check(
        &assemble(&newer),
        "unsupported_version",
        &["lifecycle@0.9.2", "this host has larder:provider/lifecycle@0.1.0"],
    );
    let newer = Guest::default().text().replace("larder:host/log@0.1.0", "larder:host/log@1.0.0");
    check(&assemble(&newer), "unsupported_version", &["imports larder:host/log@1.0.0"]);
}

#[test]
fn a_compatible_patch_of_the_contract_is_as_good() {
    let patch = Guest::default().text().replace("@0.1.0", "@0.1.7");
    sandbox().inspect(&assemble(&patch)).unwrap();
}

fn importing(import: &str) -> Guest {
    Guest { component: format!("(import {import})"), ..Guest::default() }
}

#[test]
fn imports_that_the_host_does_not_have_are_listed_with_near_ones() {
    let function = r#"(instance (export "f" (func)))"#;
    let unknown = importing(&format!(r#""wasi:keyvalue/store@0.2.0-draft" {function}"#)).wasm();
    check(&unknown, "unknown_import", &["wasi:keyvalue/store@0.2.0-draft", "The host offers larder:host/{addon,"]);
    let near = importing(&format!(r#""wasi:io/stream@0.2.6" {function}"#)).wasm();
    check(&near, "unknown_import", &["wasi:io/stream@0.2.6 (near: wasi:io/streams@0.2.12"]);
    let version = importing(&format!(r#""wasi:http/types@0.3.0" {function}"#)).wasm();
    check(&version, "unknown_import", &["wasi:http/types@0.3.0 (the host has wasi:http/types@0.2.12)"]);
    check(&importing(r#""log" (func (param "message" string))"#).wasm(), "unknown_import", &["log"]);
}

#[test]
fn interfaces_of_types_alone_ask_for_nothing() {
    let types = r#""my:own/types@3.0.0" (instance (type $t (record (field "a" u32))) (export "t" (type (eq $t))))"#;
    sandbox().inspect(&importing(types).wasm()).unwrap();
    let resource = r#""my:own/types@3.0.0" (instance (export "r" (type (sub resource))))"#;
    check(&importing(resource).wasm(), "unknown_import", &["my:own/types@3.0.0"]);
}

#[test]
fn features_that_are_switched_off_are_damage() {
    let is_damage = |lowered: String, word: &str| {
        let guest = Guest { lowered, ..Guest::default() };
        check(&guest.wasm(), "invalid_component", &["a feature of WebAssembly that the host does not run", word]);
    };
    for (module, word) in [
        ("(memory 1 2 shared)", "threads"),
        ("(memory i64 1)", "memory64"),
        ("(memory 1) (memory 1)", "multi"),
        ("(tag)", "exceptions"),
        ("(type (struct))", "gc"),
        ("(table 1 externref)", "gc"),
    ] {
        is_damage(format!("(core module {module})"), word);
    }
    is_damage("(core func $y (canon thread.yield))".to_owned(), "async");
    let lift = r#"(canon lift (core func $main "describe")"#;
    let lifted = Guest::default().text().replacen(lift, &format!("{lift} async"), 1);
    check(&assemble(&lifted), "invalid_component", &["a feature of WebAssembly that the host does not run", "async"]);
}

#[test]
fn ceilings_end_what_would_take_long() {
    let modules = Guest { lowered: "(core module)".repeat(300), ..Guest::default() };
    check(&modules.wasm(), "too_complex", &["nested modules and components", "250"]);
    let functions = module(&[types(), repeated(3, 100_001, b"\0"), repeated(10, 100_001, b"\x02\0\x0b")]);
    check(&component_of(&functions), "too_complex", &["functions", "100000"]);
    let long = module(&[types(), repeated(3, 1, b"\0"), code_of_nops(2_400_000)]);
    check(&component_of(&long), "too_complex", &["bytes in one function"]);
    let globals = module(&[repeated(6, 250_001, b"\x7f\0\x41\x01\x0b")]);
    check(&component_of(&globals), "too_complex", &["globals", "250000"]);
    let data = module(&[repeated(11, 250_001, b"\x01\0")]);
    check(&component_of(&data), "too_complex", &["other items", "250000"]);
    // Each type is two of the one before: a small file, and a type of a billion parts.
    let doubled: String = (1..=30).map(|n| format!("(type $t{n} (tuple $t{0} $t{0}))", n - 1)).collect();
    let began = std::time::Instant::now();
    check(&assemble(&format!("(component (type $t0 (tuple u8 u8)) {doubled})")), "invalid_component", &["type size"]);
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    let deep = format!("(component {} {})", "(component ".repeat(20), ")".repeat(20));
    check(&assemble(&deep), "too_complex", &["levels of nesting"]);
    let mut sections = assemble("(component)");
    sections.extend([0, 1, 0].repeat(20_001));
    check(&sections, "too_complex", &["sections"]);
}

#[test]
fn a_component_that_is_cut_anywhere_is_refused() {
    let (wasm, sandbox) = (Guest::default().wasm(), sandbox());
    let passing: Vec<usize> = (0..wasm.len()).filter(|end| sandbox.inspect(&wasm[..*end]).is_ok()).collect();
    assert!(passing.len() <= 1, "only the names at the end can be missed: {passing:?} of {}", wasm.len());
}

#[test]
fn no_mutation_makes_the_inspection_panic() {
    let (wasm, sandbox) = (Guest::default().wasm(), sandbox());
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |end: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % end as u64) as usize
    };
    let mut passed = 0;
    for _ in 0..2000 {
        let mut mutant = wasm.clone();
        for _ in 0..=below(4) {
            let at = below(mutant.len());
            match below(3) {
                0 => mutant[at] = below(256) as u8,
                1 => mutant[at] ^= 1 << below(8),
                _ => drop(mutant.drain(at..(at + below(8)).min(mutant.len()))),
            }
        }
        passed += usize::from(sandbox.inspect(&mutant).is_ok());
    }
    assert!(passed > 0, "some mutations are in the code, which is not read");
}

#[tokio::test]
async fn what_only_compiling_and_linking_can_see_is_refused_then() {
    let body = Guest {
        fields: "(func $bad (result i32) (unreachable) (i64.const 1) (drop) (i32.const 1))".to_owned(),
        ..Guest::default()
    };
    let mut wasm = body.wasm();
    // Makes the constant an i64.
    let at = wasm.windows(5).rposition(|w| w == [0x42, 1, 0x1a, 0x41, 1]).unwrap();
    wasm[at + 3] = 0x42;
    check_load(wasm, "invalid_component", &["can't be compiled"]).await;

    let wrong = importing(r#""wasi:random/random@0.2.6" (instance (export "get-random-u64" (func (result u32))))"#);
    check_load(wrong.wasm(), "wrong_import_type", &["wasi:random/random@0.2.6", "get-random-u64"]).await;
    let unknown =
        importing(r#""wasi:random/random@0.2.6" (instance (export "get-lottery-numbers" (func (result u64))))"#);
    check_load(unknown.wasm(), "wrong_import_type", &["get-lottery-numbers"]).await;

    let typed = Guest::default().text().replacen("(result (result $config", "(result (result $progress", 1);
    check_load(assemble(&typed), "wrong_world", &["get-config", "has another type"]).await;
}

#[tokio::test]
async fn more_than_the_contract_asks_for_does_no_harm() {
    let extra = r#"(instance $extra) (export "my:own/extra@1.0.0" (instance $extra))"#;
    let random = r#"(instance (export "get-random-u64" (func (result u64))))"#;
    let twice = format!(r#"(import "wasi:random/random@0.2.3" {random}) (import "wasi:random/random@0.2.6" {random})"#);
    for guest in
        [Guest { epilogue: extra.to_owned(), ..Guest::default() }, Guest { component: twice, ..Guest::default() }]
    {
        let sandbox = sandbox();
        let wasm = guest.wasm();
        sandbox.inspect(&wasm).unwrap();
        sandbox.load(Digest([8; 32]), wasm).await.unwrap();
    }
}

#[tokio::test]
async fn more_resources_than_the_pool_has_are_refused() {
    let many = |what: &str, times: usize| Guest {
        lowered: format!("(core module $m {what}) {}", "(core instance (instantiate $m))".repeat(times)),
        ..Guest::default()
    };
    check_load(many("", 40).wasm(), "too_many_resources", &["42 core module instances", "32 core instances"]).await;
    check_load(many("(memory 0)", 5).wasm(), "too_many_resources", &["6 Wasm linear memories", "4 memories"]).await;
    check_load(many("(table 0 funcref)", 9).wasm(), "too_many_resources", &["tables", "8 tables"]).await;
    check_load(many("(table 20001 funcref)", 1).wasm(), "too_many_resources", &["20001", "20000 elements"]).await;
}
