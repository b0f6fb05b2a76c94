//! The boundary between guest and host, crossed in ways that no toolchain would: pointers to nowhere, calls from where none may be made,
//! handles used twice. Each is a typed failure, and leaves no trace in what the call keeps.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use larder_domain::failure::FaultCode;
use larder_domain::ports::{CallReport, Export, ProviderRuntime, Reply};

use crate::guest::{Guest, LOOP, assemble};
use crate::host::{Store, call, call_with, code, limits, load, load_wasm, reply, sandbox, try_one};

/// Writes "made" to the log.
const LOG: &str = "(call $log (i32.const 2) (i32.const 1024) (i32.const 4))";
/// Asks for a text, for which the host calls `realloc`.
const ASK: &str =
    "(call $parameters (local.get $addon) (i32.const 32)) (call $drop-addon (local.get $addon)) (i32.const 64)";

fn beginning(begin: &str) -> Guest {
    Guest { begin: begin.to_owned(), ..Guest::default() }
}

fn breaks_the_contract(report: &CallReport, what: &str) {
    let code = code(report);
    assert!(matches!(code, FaultCode::Trap | FaultCode::InvalidAnswer), "{what}: {:?}", report.outcome);
    assert!(report.log.is_empty(), "{what}: {:?}", report.log);
}

#[tokio::test]
async fn the_host_cannot_be_called_from_where_the_guest_owes_an_answer() {
    let after = Guest { post_return: LOG.to_owned(), ..Guest::default() };
    let report = try_one(&after, Export::BeginProvision).await;
    assert!(report.outcome.as_ref().unwrap_err().detail.contains("cannot leave component instance"));
    breaks_the_contract(&report, "post-return");

    // The memory's module is there before the host's functions are, so it gets to them by a table.
    let realloc = Guest {
        realloc: "(call_indirect (param i32 i32 i32) (i32.const 2) (i32.const 1024) (i32.const 4) (i32.const 0))
            (i32.const 65536)"
            .to_owned(),
        fields: r#"(import "libc" "hook" (table 1 funcref)) (elem (i32.const 0) func $log)"#.to_owned(),
        begin: ASK.to_owned(),
        ..Guest::default()
    };
    let memory = r#"(memory (export "memory") 2)"#;
    let text = realloc.text().replace(memory, &format!(r#"{memory} (table (export "hook") 1 funcref)"#));
    let sandbox = sandbox();
    let digest = load_wasm(&sandbox, assemble(&text)).await;
    let report = sandbox.call(call(digest, Export::BeginProvision)).await;
    assert!(report.outcome.as_ref().unwrap_err().detail.contains("cannot leave component instance"));
    breaks_the_contract(&report, "realloc");
}

#[tokio::test]
async fn texts_and_memory_that_are_not_there_are_not_read() {
    for what in [
        // Beyond the memory's end, and around it.
        "(call $log (i32.const 1) (i32.const -4) (i32.const 8)) (i32.const 64)",
        "(call $log (i32.const 1) (i32.const 131070) (i32.const 8)) (i32.const 64)",
        // A level that is none.
        "(call $log (i32.const 9) (i32.const 1024) (i32.const 4)) (i32.const 64)",
        // A text that is not UTF-8.
        "(i32.store (i32.const 1024) (i32.const 0xfefefefe)) (call $log (i32.const 1) (i32.const 1024) (i32.const 4)) (i32.const 64)",
        // An answer of the host's to nowhere, and to where nothing is aligned.
        "(call $password (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 20) (i32.const -8)) (i32.const 64)",
        "(call $password (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 20) (i32.const 33)) (i32.const 64)",
    ] {
        breaks_the_contract(&try_one(&beginning(what), Export::BeginProvision).await, what);
    }
    for realloc in ["(i32.const -8)", "(i32.const 131071)"] {
        let guest = Guest { realloc: realloc.to_owned(), begin: ASK.to_owned(), ..Guest::default() };
        breaks_the_contract(&try_one(&guest, Export::BeginProvision).await, realloc);
    }
}

#[tokio::test]
async fn half_a_surrogate_is_no_text() {
    let lone = "(i32.store16 (i32.const 1024) (i32.const 0xd800)) (i32.store (i32.const 20) (i32.const 1024))
        (i32.store (i32.const 24) (i32.const 1)) (i32.const 16)";
    let lift = r#"(canon lift (core func $main "begin-provision")"#;
    let text = beginning(lone).text().replacen(lift, &format!("{lift} string-encoding=utf16"), 1);
    let sandbox = sandbox();
    let digest = load_wasm(&sandbox, assemble(&text)).await;
    breaks_the_contract(&sandbox.call(call(digest, Export::BeginProvision)).await, "a lone surrogate");
}

#[tokio::test]
async fn a_handle_is_not_used_after_it_was_dropped() {
    let drop = "(call $drop-addon (local.get $addon))";
    for next in [drop, "(call $id (local.get $addon) (i32.const 32))"] {
        breaks_the_contract(
            &try_one(&beginning(&format!("{drop} {next} (i32.const 64)")), Export::BeginProvision).await,
            next,
        );
    }
}

#[tokio::test]
async fn a_start_function_may_wait_and_is_part_of_the_call() {
    let guest =
        Guest { start: "(call $get (i32.const 1024) (i32.const 4) (i32.const 32))".to_owned(), ..Guest::default() };
    let (sandbox, slow) = (sandbox(), Arc::new(Store { delay: Duration::from_millis(20), ..Store::default() }));
    let digest = load(&sandbox, &guest).await;
    let report = sandbox.call(call_with(digest, Export::GetConfig, slow.clone())).await;
    assert!(report.wall >= Duration::from_millis(20));
    assert_eq!(reply(report), Reply::Config(Default::default()));
    assert_eq!(slow.loads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_hosts_functions_have_stack_when_the_guest_has_none_left() {
    let guest = Guest {
        fields: format!("(func $deeper {LOG} (call $deeper) (call $drop-addon (i32.const 99)))"),
        begin: "(call $deeper) (unreachable)".to_owned(),
        ..Guest::default()
    };
    let sandbox = sandbox();
    let mut call = call(load(&sandbox, &guest).await, Export::BeginProvision);
    call.limits.cpu = Duration::from_secs(5);
    assert_eq!(code(&sandbox.call(call).await), FaultCode::StackLimit);
}

#[tokio::test]
async fn the_largest_bulk_operations_hide_no_loop() {
    for operation in [
        "(memory.fill (i32.const 0) (i32.const 1) (i32.const 134217728))",
        "(memory.copy (i32.const 0) (i32.const 67108864) (i32.const 67108864))",
        "(table.fill (i32.const 0) (ref.null func) (i32.const 20000))",
    ] {
        let guest = Guest {
            pages: 2048,
            fields: "(table 20000 funcref)".to_owned(),
            begin: format!("(loop $for-ever {operation} (br $for-ever)) (unreachable)"),
            ..Guest::default()
        };
        let sandbox = sandbox();
        let mut call = call(load(&sandbox, &guest).await, Export::BeginProvision);
        call.limits.memory_bytes = 256 << 20;
        let report = sandbox.call(call).await;
        assert_eq!(code(&report), FaultCode::CpuLimit, "{operation}");
        // What is under way is done to its end.
        assert!(report.cpu < limits().cpu * 20, "{operation}: {:?}", report.cpu);
    }
}

#[tokio::test]
async fn what_strangers_call_their_functions_stays_on_its_line() {
    for name in ["\\1b[31m\\0afake".to_owned(), "x".repeat(100_000)] {
        let guest = Guest {
            fields: format!(r#"(func $"{name}" (unreachable))"#),
            begin: format!(r#"(call $"{name}") (unreachable)"#),
            ..Guest::default()
        };
        let report = try_one(&guest, Export::BeginProvision).await;
        let detail = report.outcome.unwrap_err().detail;
        assert!(detail.len() < 2100, "{} bytes", detail.len());
        assert!(!detail.contains("\nfake") && !detail.chars().any(|c| c.is_control() && c != '\n'), "{detail:?}");
    }
}

#[tokio::test]
async fn instances_are_counted_and_the_limit_is_named() {
    let many = Guest {
        lowered: format!("(core module $m) {}", "(core instance (instantiate $m))".repeat(8)),
        ..Guest::default()
    };
    let sandbox = sandbox();
    let digest = load(&sandbox, &many).await;
    let mut call = call(digest, Export::ProvisionComplete);
    assert_eq!(reply(sandbox.call(call.clone()).await), Reply::Done);
    call.limits.instances = 8;
    let report = sandbox.call(call).await;
    assert_eq!(code(&report), FaultCode::InstanceLimit);
    let detail = report.outcome.unwrap_err().detail;
    assert_eq!(detail, "is made of more core instances than the 8 that are allowed");
}

#[tokio::test]
async fn what_a_call_leaves_in_its_instance_is_gone_with_it() {
    // One slot, which every call gets after the other: what one leaves in its instance would be found by the next.
    let fresh = "(if (global.get $seen) (then (unreachable)))
        (if (i32.load (i32.const 4096)) (then (unreachable)))
        (if (i32.ne (i32.load (i32.const 1024)) (i32.const 0x6564616d)) (then (unreachable)))
        (if (i32.ne (memory.size) (i32.const 2)) (then (unreachable)))
        (if (i32.ne (table.size 0) (i32.const 1)) (then (unreachable)))
        (drop (memory.grow (i32.const 1))) (if (i32.load (i32.const 131072)) (then (unreachable)))";
    let soil = "(global.set $seen (i32.const 1)) (i32.store (i32.const 4096) (i32.const 7))
        (i32.store (i32.const 1024) (i32.const 7)) (i32.store (i32.const 131072) (i32.const 7))
        (drop (table.grow (ref.null func) (i32.const 5)))";
    let guest = Guest {
        fields: "(global $seen (mut i32) (i32.const 0)) (table 1 100 funcref)".to_owned(),
        complete: format!("{fresh} {soil} (i32.const 64)"),
        config: format!("{fresh} {soil} (unreachable)"),
        deprovision: format!("{fresh} {soil} {LOOP}"),
        ..Guest::default()
    };
    let sandbox = crate::neighbours::for_few_calls(1);
    let digest = load(&sandbox, &guest).await;
    for (export, ends) in [
        (Export::ProvisionComplete, None),
        (Export::GetConfig, Some(FaultCode::Trap)),
        (Export::Deprovision, Some(FaultCode::CpuLimit)),
        (Export::ProvisionComplete, None),
    ] {
        let report = sandbox.call(call(digest, export)).await;
        assert_eq!(report.outcome.err().map(|fault| fault.code), ends, "{export}");
    }
    let mut endless = call(digest, Export::Deprovision);
    endless.limits.cpu = Duration::from_secs(60);
    tokio::time::timeout(Duration::from_millis(30), sandbox.call(endless)).await.unwrap_err();
    assert_eq!(reply(sandbox.call(call(digest, Export::ProvisionComplete)).await), Reply::Done);
}
