//! HTTP requests can be written, within bounds, and are refused.

use larder_domain::failure::FaultCode;
use larder_domain::ports::{Export, ProviderRuntime, Reply};

use crate::guest::{Guest, ZEROES};
use crate::host::{call, code, load, reply, sandbox};

const TYPES: &str = r#"
    (import "wasi:io/poll@0.2.6" (instance $poll
        (export "pollable" (type $p (sub resource)))
        (export "[method]pollable.block" (func (param "self" (borrow $p))))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:http/types@0.2.6" (instance $http
        (type $d (record (field "rcode" (option string)) (field "info-code" (option u16))))
        (export "DNS-error-payload" (type $dns (eq $d)))
        (type $a (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
        (export "TLS-alert-received-payload" (type $alert (eq $a)))
        (type $s (record (field "field-name" (option string)) (field "field-size" (option u32))))
        (export "field-size-payload" (type $size (eq $s)))
        (type $c (variant (case "DNS-timeout") (case "DNS-error" $dns) (case "destination-not-found")
            (case "destination-unavailable") (case "destination-IP-prohibited") (case "destination-IP-unroutable")
            (case "connection-refused") (case "connection-terminated") (case "connection-timeout")
            (case "connection-read-timeout") (case "connection-write-timeout") (case "connection-limit-reached")
            (case "TLS-protocol-error") (case "TLS-certificate-error") (case "TLS-alert-received" $alert)
            (case "HTTP-request-denied") (case "HTTP-request-length-required")
            (case "HTTP-request-body-size" (option u64)) (case "HTTP-request-method-invalid")
            (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
            (case "HTTP-request-header-section-size" (option u32)) (case "HTTP-request-header-size" (option $size))
            (case "HTTP-request-trailer-section-size" (option u32)) (case "HTTP-request-trailer-size" $size)
            (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" (option u32))
            (case "HTTP-response-header-size" $size) (case "HTTP-response-body-size" (option u64))
            (case "HTTP-response-trailer-section-size" (option u32)) (case "HTTP-response-trailer-size" $size)
            (case "HTTP-response-transfer-coding" (option string)) (case "HTTP-response-content-coding" (option string))
            (case "HTTP-response-timeout") (case "HTTP-upgrade-failed") (case "HTTP-protocol-error")
            (case "loop-detected") (case "configuration-error") (case "internal-error" (option string))))
        (export "error-code" (type $code (eq $c)))
        (export "pollable" (type $p (eq $pollable)))
        (export "fields" (type $fields (sub resource)))
        (export "outgoing-request" (type $request (sub resource)))
        (export "request-options" (type $options (sub resource)))
        (export "incoming-response" (type $response (sub resource)))
        (export "future-incoming-response" (type $future (sub resource)))
        (export "[constructor]fields" (func (result (own $fields))))
        (export "[constructor]outgoing-request" (func (param "headers" (own $fields)) (result (own $request))))
        (export "[method]outgoing-request.headers" (func (param "self" (borrow $request)) (result (own $fields))))
        (export "[method]outgoing-request.set-authority"
            (func (param "self" (borrow $request)) (param "authority" (option string)) (result (result))))
        (export "[method]outgoing-request.set-path-with-query"
            (func (param "self" (borrow $request)) (param "path-with-query" (option string)) (result (result))))
        (export "[method]future-incoming-response.subscribe" (func (param "self" (borrow $future)) (result (own $p))))
        (export "[method]future-incoming-response.get" (func (param "self" (borrow $future))
            (result (option (result (result (own $response) (error $code)))))))))
    (alias export $http "error-code" (type $code))
    (alias export $http "outgoing-request" (type $request))
    (alias export $http "request-options" (type $options))
    (alias export $http "future-incoming-response" (type $future))
    (import "wasi:http/outgoing-handler@0.2.6" (instance $handler
        (export "outgoing-request" (type $q (eq $request))) (export "request-options" (type $o (eq $options)))
        (export "future-incoming-response" (type $f (eq $future))) (export "error-code" (type $e (eq $code)))
        (export "handle" (func (param "request" (own $q)) (param "options" (option (own $o)))
            (result (result (own $f) (error $e)))))))"#;

/// Name in the main module, instance, function, core type.
const FUNCTIONS: [(&str, &str, &str, &str); 9] = [
    ("fields", "http", "[constructor]fields", "(result i32)"),
    ("request", "http", "[constructor]outgoing-request", "(param i32) (result i32)"),
    ("headers", "http", "[method]outgoing-request.headers", "(param i32) (result i32)"),
    ("authority", "http", "[method]outgoing-request.set-authority", "(param i32 i32 i32 i32) (result i32)"),
    ("path", "http", "[method]outgoing-request.set-path-with-query", "(param i32 i32 i32 i32) (result i32)"),
    ("subscribe", "http", "[method]future-incoming-response.subscribe", "(param i32) (result i32)"),
    ("response", "http", "[method]future-incoming-response.get", "(param i32 i32)"),
    ("handle", "handler", "handle", "(param i32 i32 i32 i32)"),
    ("block", "poll", "[method]pollable.block", "(param i32)"),
];

fn guest(complete: &str) -> Guest {
    let lower = |(name, instance, function, _): (&str, &str, &str, &str)| {
        format!(
            r#"(core func ${name} (canon lower (func ${instance} "{function}")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))"#
        )
    };
    Guest {
        component: TYPES.to_owned(),
        lowered: FUNCTIONS.map(lower).join("\n"),
        arguments: FUNCTIONS.map(|(name, ..)| format!(r#"(export "{name}" (func ${name}))"#)).join(" "),
        fields: FUNCTIONS.map(|(name, _, _, ty)| format!(r#"(import "host" "{name}" (func ${name} {ty}))"#)).join(" "),
        complete: complete.to_owned(),
        pages: 4,
        ..Guest::default()
    }
}

async fn done(complete: &str) {
    let sandbox = sandbox();
    let digest = load(&sandbox, &guest(complete)).await;
    assert_eq!(reply(sandbox.call(call(digest, Export::ProvisionComplete)).await), Reply::Done);
}

fn unless(condition: &str) -> String {
    format!("(if (i32.eqz {condition}) (then (unreachable)))")
}

#[tokio::test]
async fn every_request_is_denied() {
    // The answer is `some(ok(err(HTTP-request-denied)))`; each layer's payload is 8 bytes further on.
    let denied = [(512, 1), (520, 0), (528, 1), (536, 15)]
        .map(|(at, value)| unless(&format!("(i32.eq (i32.load8_u (i32.const {at})) (i32.const {value}))")))
        .join("\n");
    done(&format!(
        "(local $request i32) (local $future i32)
        (local.set $request (call $request (call $fields)))
        (drop (call $authority (local.get $request) (i32.const 1) (i32.const 1024) (i32.const 4)))
        (i32.store8 (i32.const 2047) (i32.const 47))
        (drop (call $path (local.get $request) (i32.const 1) (i32.const 2047) (i32.const 1)))
        (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 256))
        {}
        (local.set $future (i32.load (i32.const 264)))
        (call $block (call $subscribe (local.get $future)))
        (call $response (local.get $future) (i32.const 512))
        {denied} {ZEROES}",
        unless("(i32.eqz (i32.load8_u (i32.const 256)))"),
    ))
    .await;
}

#[tokio::test]
async fn what_an_unsent_request_keeps_is_bounded() {
    // 9,000 times `a`, which alone would be an authority, and after a `/` a path.
    let long =
        "(memory.fill (i32.const 2048) (i32.const 97) (i32.const 9000)) (i32.store8 (i32.const 2047) (i32.const 47))";
    let refused = |setter: &str, at: u32, length: u32| {
        format!("(call ${setter} (local.get $request) (i32.const 1) (i32.const {at}) (i32.const {length}))")
    };
    done(&format!(
        "(local $request i32)
        {long} (local.set $request (call $request (call $fields)))
        {} {} {} {} {ZEROES}",
        unless(&refused("authority", 2048, 9000)),
        unless(&refused("path", 2047, 9000)),
        unless(&format!("(i32.eqz {})", refused("authority", 2048, 200))),
        unless(&format!("(i32.eqz {})", refused("path", 2047, 200))),
    ))
    .await;
}

#[tokio::test]
async fn what_the_host_keeps_of_header_lists_is_memory_of_the_call() {
    let sandbox = sandbox();
    let digest = load(&sandbox, &guest("(loop $more (drop (call $fields)) (br $more)) (unreachable)")).await;
    let mut call = call(digest, Export::ProvisionComplete);
    // Room for many handles, and 4 MiB for what they may hold.
    call.limits.handles = 1000;
    assert_eq!(code(&sandbox.call(call.clone()).await), FaultCode::MemoryLimit);
    // A request that is gone leaves its headers to whoever asked for them; the next one takes its place.
    let kept = "(local $request i32)\n(loop $more (local.set $request (call $request (call $fields)))
        (drop (call $headers (local.get $request))) (call $drop-request (local.get $request)) (br $more)) (unreachable)";
    let mut hoarder = guest(kept);
    hoarder.lowered += "(core func $drop-request (canon resource.drop $request))";
    hoarder.arguments += r#"(export "drop-request" (func $drop-request))"#;
    hoarder.fields += r#"(import "host" "drop-request" (func $drop-request (param i32)))"#;
    call.digest = load(&sandbox, &hoarder).await;
    assert_eq!(code(&sandbox.call(call).await), FaultCode::MemoryLimit);
}
