//! WASI is there, and empty.

use std::time::Duration;

use larder_domain::failure::FaultCode;
use larder_domain::ports::{Export, ProviderRuntime, Reply};

use crate::guest::{Guest, ZEROES};
use crate::host::{call, code, load, reply, sandbox, try_one};

/// Lowers a function that takes or gives texts or lists.
fn lower(name: &str, instance: &str, function: &str) -> String {
    format!(
        r#"(core func ${name} (canon lower (func ${instance} "{function}")
            (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))"#
    )
}

fn argument(name: &str) -> String {
    format!(r#"(export "{name}" (func ${name}))"#)
}

#[tokio::test]
async fn there_are_no_variables_no_arguments_and_no_directories() {
    let guest = Guest {
        component: r#"
            (import "wasi:cli/environment@0.2.6" (instance $environment
                (export "get-environment" (func (result (list (tuple string string)))))
                (export "get-arguments" (func (result (list string))))))
            (import "wasi:filesystem/types@0.2.6" (instance $files (export "descriptor" (type (sub resource)))))
            (alias export $files "descriptor" (type $descriptor))
            (import "wasi:filesystem/preopens@0.2.6" (instance $preopens
                (export "descriptor" (type $d (eq $descriptor)))
                (export "get-directories" (func (result (list (tuple (own $d) string)))))))"#
            .to_owned(),
        lowered: [
            lower("env", "environment", "get-environment"),
            lower("args", "environment", "get-arguments"),
            lower("dirs", "preopens", "get-directories"),
        ]
        .join("\n"),
        arguments: ["env", "args", "dirs"].map(argument).join(" "),
        fields: r#"(import "host" "env" (func $env (param i32))) (import "host" "args" (func $args (param i32)))
            (import "host" "dirs" (func $dirs (param i32)))"#
            .to_owned(),
        complete: ["env", "args", "dirs"]
            .map(|name| format!("(call ${name} (i32.const 32)) (if (i32.load (i32.const 36)) (then (unreachable)))"))
            .join("\n")
            + ZEROES,
        ..Guest::default()
    };
    assert_eq!(reply(try_one(&guest, Export::ProvisionComplete).await), Reply::Done);
}

const ERROR_CODES: &str = r#""unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
    "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable"
    "address-in-use" "remote-unreachable" "connection-refused" "connection-reset" "connection-aborted"
    "datagram-too-large" "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure""#;

#[tokio::test]
async fn no_name_is_looked_up_and_there_is_no_udp() {
    let component = format!(
        r#"
        (import "wasi:sockets/network@0.2.6" (instance $network
            (export "network" (type (sub resource)))
            (type $c (enum {ERROR_CODES})) (export "error-code" (type (eq $c)))
            (type $f (enum "ipv4" "ipv6")) (export "ip-address-family" (type (eq $f)))))
        (alias export $network "network" (type $net))
        (alias export $network "error-code" (type $code))
        (alias export $network "ip-address-family" (type $family))
        (import "wasi:sockets/instance-network@0.2.6" (instance $instance-network
            (export "network" (type $n (eq $net)))
            (export "instance-network" (func (result (own $n))))))
        (import "wasi:sockets/ip-name-lookup@0.2.6" (instance $lookup
            (export "network" (type $n (eq $net))) (export "error-code" (type $c (eq $code)))
            (export "resolve-address-stream" (type $s (sub resource)))
            (export "resolve-addresses" (func (param "network" (borrow $n)) (param "name" string)
                (result (result (own $s) (error $c)))))))"#
    ) + &["tcp", "udp"].map(socket_imports).join("\n");
    // 1 is `access-denied`. A socket of TCP can be made; where it may go, the gate says.
    let refused = |code: u32| {
        format!(
            "(if (i32.ne (i32.load8_u (i32.const 32)) (i32.const 1)) (then (unreachable)))
            (if (i32.ne (i32.load8_u (i32.const 36)) (i32.const {code})) (then (unreachable)))"
        )
    };
    let guest = Guest {
        component,
        lowered: [
            r#"(core func $net (canon lower (func $instance-network "instance-network")))"#.to_owned(),
            lower("resolve", "lookup", "resolve-addresses"),
            lower("tcp", "tcp-create", "create-tcp-socket"),
            lower("udp", "udp-create", "create-udp-socket"),
        ]
        .join("\n"),
        arguments: ["net", "resolve", "tcp", "udp"].map(argument).join(" "),
        fields: r#"(import "host" "net" (func $net (result i32)))
            (import "host" "resolve" (func $resolve (param i32 i32 i32 i32)))
            (import "host" "tcp" (func $tcp (param i32 i32))) (import "host" "udp" (func $udp (param i32 i32)))"#
            .to_owned(),
        complete: format!(
            "(call $resolve (call $net) (i32.const 1024) (i32.const 4) (i32.const 32)) {}
             (call $tcp (i32.const 0) (i32.const 32)) (if (i32.load8_u (i32.const 32)) (then (unreachable)))
             (call $udp (i32.const 1) (i32.const 32)) {} {ZEROES}",
            refused(1),
            refused(1)
        ),
        ..Guest::default()
    };
    assert_eq!(reply(try_one(&guest, Export::ProvisionComplete).await), Reply::Done);
}

fn socket_imports(kind: &str) -> String {
    format!(
        r#"(import "wasi:sockets/{kind}@0.2.6" (instance ${kind}-types (export "{kind}-socket" (type (sub resource)))))
        (alias export ${kind}-types "{kind}-socket" (type ${kind}-socket))
        (import "wasi:sockets/{kind}-create-socket@0.2.6" (instance ${kind}-create
            (export "{kind}-socket" (type $s (eq ${kind}-socket))) (export "error-code" (type $c (eq $code)))
            (export "ip-address-family" (type $f (eq $family)))
            (export "create-{kind}-socket" (func (param "address-family" $f) (result (result (own $s) (error $c)))))))"#
    )
}

/// A guest that has clocks and pollables.
fn with_clock(complete: &str) -> Guest {
    Guest {
        component: r#"
            (import "wasi:io/poll@0.2.6" (instance $poll
                (export "pollable" (type $p (sub resource)))
                (export "[method]pollable.block" (func (param "self" (borrow $p))))))
            (alias export $poll "pollable" (type $pollable))
            (import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock
                (export "pollable" (type $p (eq $pollable)))
                (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))"#
            .to_owned(),
        lowered: r#"(core func $subscribe (canon lower (func $clock "subscribe-duration")))
            (core func $block (canon lower (func $poll "[method]pollable.block")))
            (core func $drop-pollable (canon resource.drop $pollable))"#
            .to_owned(),
        arguments: ["subscribe", "block", "drop-pollable"].map(argument).join(" "),
        fields: r#"(import "host" "subscribe" (func $subscribe (param i64) (result i32)))
            (import "host" "block" (func $block (param i32)))
            (import "host" "drop-pollable" (func $drop-pollable (param i32)))"#
            .to_owned(),
        complete: complete.to_owned(),
        ..Guest::default()
    }
}

#[tokio::test]
async fn sleeping_is_free_and_bounded() {
    let nap = with_clock(&format!("(call $block (call $subscribe (i64.const 50000000))) {ZEROES}"));
    let report = try_one(&nap, Export::ProvisionComplete).await;
    assert!(report.wall >= Duration::from_millis(50) && report.cpu < Duration::from_millis(40));
    assert_eq!(reply(report), Reply::Done);

    let for_ever = with_clock(&format!("(call $block (call $subscribe (i64.const -1))) {ZEROES}"));
    let sandbox = sandbox();
    let mut call = call(load(&sandbox, &for_ever).await, Export::ProvisionComplete);
    call.limits.wall = Duration::from_millis(40);
    let report = sandbox.call(call).await;
    assert_eq!(code(&report), FaultCode::WallLimit);
    assert_eq!(report.outcome.unwrap_err().detail.split(',').nth(1), Some(" waits included; 40 ms are allowed"));
}

#[tokio::test]
async fn a_storm_of_short_waits_costs_cpu_time() {
    let storm =
        "(local $p i32)\n(loop $more (local.set $p (call $subscribe (i64.const 1))) (call $block (local.get $p))
        (call $drop-pollable (local.get $p)) (br $more)) (unreachable)";
    assert_eq!(code(&try_one(&with_clock(storm), Export::ProvisionComplete).await), FaultCode::CpuLimit);
}

#[tokio::test]
async fn resources_of_the_host_are_bounded_in_number() {
    let leak = with_clock("(loop $more (drop (call $subscribe (i64.const 1))) (br $more)) (unreachable)");
    let report = try_one(&leak, Export::ProvisionComplete).await;
    assert_eq!(code(&report), FaultCode::HandleLimit);
    assert_eq!(report.outcome.unwrap_err().detail, "held more resources at once than the 100 that are allowed");
}

/// A guest that writes to its standard error.
fn with_stderr(complete: &str) -> Guest {
    Guest {
        component: r#"
            (import "wasi:io/error@0.2.6" (instance $error (export "error" (type (sub resource)))))
            (alias export $error "error" (type $io-error))
            (import "wasi:io/streams@0.2.6" (instance $streams
                (export "error" (type $e (eq $io-error)))
                (export "output-stream" (type $o (sub resource)))
                (type $se (variant (case "last-operation-failed" (own $e)) (case "closed")))
                (export "stream-error" (type $s (eq $se)))
                (export "[method]output-stream.blocking-write-and-flush"
                    (func (param "self" (borrow $o)) (param "contents" (list u8)) (result (result (error $s)))))
                (export "[method]output-stream.write-zeroes"
                    (func (param "self" (borrow $o)) (param "len" u64) (result (result (error $s)))))))
            (alias export $streams "output-stream" (type $output-stream))
            (import "wasi:cli/stderr@0.2.6" (instance $stderr
                (export "output-stream" (type $o (eq $output-stream)))
                (export "get-stderr" (func (result (own $o))))))"#
            .to_owned(),
        lowered: [
            r#"(core func $stderr (canon lower (func $stderr "get-stderr")))"#.to_owned(),
            lower("write", "streams", "[method]output-stream.blocking-write-and-flush"),
            lower("zeroes", "streams", "[method]output-stream.write-zeroes"),
        ]
        .join("\n"),
        arguments: ["stderr", "write", "zeroes"].map(argument).join(" "),
        fields: r#"(import "host" "stderr" (func $stderr (result i32)))
            (import "host" "write" (func $write (param i32 i32 i32 i32)))
            (import "host" "zeroes" (func $zeroes (param i32 i64 i32)))
            (data (i32.const 2048) "thread panicked at src/lib.rs:1:1:\0ano such plan\0a")"#
            .to_owned(),
        complete: complete.to_owned(),
        ..Guest::default()
    }
}

#[tokio::test]
async fn what_a_guest_says_before_it_dies_is_in_the_log_and_in_the_fault() {
    let guest =
        with_stderr("(call $write (call $stderr) (i32.const 2048) (i32.const 48) (i32.const 32)) (unreachable)");
    let report = try_one(&guest, Export::ProvisionComplete).await;
    let log: Vec<_> = report.log.iter().map(|line| (line.stream, line.text.as_str())).collect();
    assert_eq!(log, [("stderr", "thread panicked at src/lib.rs:1:1:"), ("stderr", "no such plan")]);
    let fault = report.outcome.unwrap_err();
    assert_eq!(fault.code, FaultCode::Trap);
    let words = "\nits last words: thread panicked at src/lib.rs:1:1:\nno such plan";
    assert!(fault.detail.ends_with(words), "{}", fault.detail);
}

#[tokio::test]
async fn zeroes_are_written_as_far_as_there_is_room() {
    for many in ["-1", "65537"] {
        let guest =
            with_stderr(&format!("(call $zeroes (call $stderr) (i64.const {many}) (i32.const 32)) (i32.const 64)"));
        let report = try_one(&guest, Export::ProvisionComplete).await;
        assert_eq!(code(&report), FaultCode::Trap, "{many}");
        assert!(report.log.is_empty(), "{many}: {:?}", report.log);
    }
}

#[tokio::test]
async fn exiting_is_no_answer() {
    let guest = Guest {
        component: r#"(import "wasi:cli/exit@0.2.6" (instance $exit
            (export "exit" (func (param "status" (result))))))"#
            .to_owned(),
        lowered: r#"(core func $exit (canon lower (func $exit "exit")))"#.to_owned(),
        arguments: argument("exit"),
        fields: r#"(import "host" "exit" (func $exit (param i32)))"#.to_owned(),
        complete: "(call $exit (i32.const 0)) (unreachable)".to_owned(),
        ..Guest::default()
    };
    let report = try_one(&guest, Export::ProvisionComplete).await;
    assert_eq!(code(&report), FaultCode::Trap);
    assert_eq!(report.outcome.unwrap_err().detail, "exited with status 0 instead of answering");
}

#[tokio::test]
async fn random_numbers_are_bounded_at_once() {
    let guest = Guest {
        component: r#"(import "wasi:random/random@0.2.6" (instance $random
            (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))"#
            .to_owned(),
        lowered: lower("random", "random", "get-random-bytes"),
        arguments: argument("random"),
        fields: r#"(import "host" "random" (func $random (param i64 i32)))"#.to_owned(),
        complete: format!("(call $random (i64.const 32) (i32.const 32)) {ZEROES}"),
        config: "(call $random (i64.const -1) (i32.const 32)) (unreachable)".to_owned(),
        ..Guest::default()
    };
    let sandbox = sandbox();
    let digest = load(&sandbox, &guest).await;
    assert_eq!(reply(sandbox.call(call(digest, Export::ProvisionComplete)).await), Reply::Done);
    assert_eq!(code(&sandbox.call(call(digest, Export::GetConfig)).await), FaultCode::Trap);
}
