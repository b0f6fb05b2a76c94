//! A provider in WebAssembly's text format, of which each test replaces the part that it is about.
//!
//! The core module has its memory from a second one, `$libc`, as real toolchains do it. Results are returned through
//! memory: 64 zero bytes at [`ZEROES`] read as `ok` of `done`, of the empty configuration, or of the empty string.

/// An address at which nothing but zeroes is.
pub(crate) const ZEROES: &str = "(i32.const 64)";

/// A function's body that never ends.
pub(crate) const LOOP: &str = "(loop $for-ever (br $for-ever)) (unreachable)";

/// A provider that answers well, unless a part is replaced.
pub(crate) struct Guest {
    /// `begin-provision`: `(local $addon i32)` in, an address out.
    pub(crate) begin: String,
    /// `provision-complete`.
    pub(crate) complete: String,
    /// `get-config`.
    pub(crate) config: String,
    /// `deprovision`.
    pub(crate) deprovision: String,
    /// `describe`: `$ptr`, `$len` in, an address out.
    pub(crate) describe: String,
    /// `$libc`'s realloc: `$old $old-len $align $len` in, an address out.
    pub(crate) realloc: String,
    /// Called after `begin-provision`'s answer was read.
    pub(crate) post_return: String,
    /// The start function of the main module.
    pub(crate) start: String,
    /// Further fields of the main module.
    pub(crate) fields: String,
    /// Further imports of the component.
    pub(crate) component: String,
    /// Further definitions of the component, once `$libc` is there.
    pub(crate) lowered: String,
    /// Further arguments of the main module: `(export "name" (func $f))`.
    pub(crate) arguments: String,
    /// Further definitions at the end of the component.
    pub(crate) epilogue: String,
    /// Pages of memory at the start.
    pub(crate) pages: u32,
}

impl Default for Guest {
    fn default() -> Self {
        let text = |body: &str| body.to_owned();
        Self {
            begin: text(
                "(i32.store (i32.const 20) (i32.const 1024)) (i32.store (i32.const 24) (i32.const 4)) (i32.const 16)",
            ),
            complete: text(ZEROES),
            config: text(ZEROES),
            deprovision: text(ZEROES),
            describe: text(
                "(i32.store (i32.const 20) (i32.const 1028)) (i32.store (i32.const 24) (i32.const 2)) (i32.const 16)",
            ),
            realloc: text(REALLOC),
            post_return: String::new(),
            start: String::new(),
            fields: String::new(),
            component: String::new(),
            lowered: String::new(),
            arguments: String::new(),
            epilogue: String::new(),
            pages: 2,
        }
    }
}

const REALLOC: &str = "
    (local $new i32) (local $missing i32)
    (local.set $new (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $new) (local.get $len)))
    (local.set $missing (i32.sub (i32.shr_u (i32.add (global.get $next) (i32.const 65535)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
        (then (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then (unreachable)))))
    (local.get $new)";

/// The contract, as a component imports it.
const IMPORTS: &str = r#"
    (import "larder:host/addon@0.1.0" (instance $host-addon
        (export "addon" (type $addon (sub resource)))
        (export "[method]addon.id" (func (param "self" (borrow $addon)) (result string)))
        (export "[method]addon.parameters-json" (func (param "self" (borrow $addon)) (result string)))))
    (alias export $host-addon "addon" (type $addon))
    (import "larder:provider/types@0.1.0" (instance $types
        (type $retry-later' (record (field "after-ms" u32) (field "reason" string)))
        (export "retry-later" (type $retry-later (eq $retry-later')))
        (type $failure' (variant (case "rejected" string) (case "retry" $retry-later) (case "failed" string)))
        (export "failure" (type $failure (eq $failure')))
        (type $pending' (record (field "after-ms" u32) (field "message" string) (field "percent" (option u8))))
        (export "pending" (type $pending (eq $pending')))
        (type $progress' (variant (case "done") (case "pending" $pending)))
        (export "progress" (type $progress (eq $progress')))
        (type $variable' (record (field "name" string) (field "value" string) (field "secret" bool)))
        (export "variable" (type $variable (eq $variable')))
        (type $credential' (record (field "key" string) (field "value" string) (field "secret" bool)))
        (export "credential" (type $credential (eq $credential')))
        (type $config' (record (field "variables" (list $variable)) (field "credentials" (list $credential))))
        (export "config" (type $config (eq $config')))))
    (alias export $types "failure" (type $failure))
    (alias export $types "progress" (type $progress))
    (alias export $types "config" (type $config))
    (import "larder:host/log@0.1.0" (instance $host-log
        (type $level' (enum "debug" "info" "warn" "error"))
        (export "level" (type $level (eq $level')))
        (export "write" (func (param "level" $level) (param "message" string)))))
    (import "larder:host/secrets@0.1.0" (instance $host-secrets
        (type $error' (variant (case "bad-name" u32) (case "bad-length" u32)))
        (export "error" (type $error (eq $error')))
        (export "password" (func (param "name" string) (param "generation" u32) (param "length" u32)
            (result (result string (error $error)))))))
    (import "larder:host/state@0.1.0" (instance $host-state
        (type $error' (variant (case "bad-key" u32) (case "full" u32) (case "superseded") (case "unavailable" string)))
        (export "error" (type $error (eq $error')))
        (export "get" (func (param "key" string) (result (result (option (list u8)) (error $error)))))
        (export "set" (func (param "key" string) (param "value" (list u8)) (result (result (error $error)))))
        (export "checkpoint" (func (result (result (error $error)))))))"#;

/// The host's functions, lowered.
const LOWERED: &str = r#"
    (core func $drop-addon (canon resource.drop $addon))
    (core func $id (canon lower (func $host-addon "[method]addon.id") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $parameters (canon lower (func $host-addon "[method]addon.parameters-json") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $log (canon lower (func $host-log "write") (memory (core memory $libc "memory"))))
    (core func $password (canon lower (func $host-secrets "password") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $get (canon lower (func $host-state "get") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $set (canon lower (func $host-state "set") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $checkpoint (canon lower (func $host-state "checkpoint") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))"#;

/// The main module's imports.
const CORE_IMPORTS: &str = r#"
    (import "libc" "memory" (memory 0))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "drop-addon" (func $drop-addon (param i32)))
    (import "host" "id" (func $id (param i32 i32)))
    (import "host" "parameters" (func $parameters (param i32 i32)))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (import "host" "password" (func $password (param i32 i32 i32 i32 i32)))
    (import "host" "get" (func $get (param i32 i32 i32)))
    (import "host" "set" (func $set (param i32 i32 i32 i32 i32)))
    (import "host" "checkpoint" (func $checkpoint (param i32)))"#;

const ARGUMENTS: &str = r#"
    (export "drop-addon" (func $drop-addon)) (export "id" (func $id)) (export "parameters" (func $parameters))
    (export "log" (func $log)) (export "password" (func $password))
    (export "get" (func $get)) (export "set" (func $set)) (export "checkpoint" (func $checkpoint))"#;

impl Guest {
    /// The component.
    pub(crate) fn wasm(&self) -> Vec<u8> {
        assemble(&self.text())
    }

    /// The same as text.
    pub(crate) fn text(&self) -> String {
        let Self { realloc, pages, component, lowered, arguments, epilogue, .. } = self;
        let main = self.main_module();
        let lift = |name: &str, returns: &str, post_return: &str| {
            format!(
                r#"(func ${name} (param "addon" (borrow $addon)) (result (result {returns} (error $failure)))
                    (canon lift (core func $main "{name}") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")) {post_return}))"#
            )
        };
        let lifted = [
            lift("begin-provision", "string", r#"(post-return (core func $main "post-return"))"#),
            lift("provision-complete", "$progress", ""),
            lift("get-config", "$config", ""),
            lift("deprovision", "$progress", ""),
        ]
        .join("\n");
        format!(
            r#"(component {IMPORTS} {component}
            (core module $libc-module
                (memory (export "memory") {pages})
                (data (i32.const 1024) "made{{}}")
                (global $next (mut i32) (i32.const 65536))
                (func (export "realloc") (param $old i32) (param $old-len i32) (param $align i32) (param $len i32) (result i32)
                    {realloc}))
            (core instance $libc (instantiate $libc-module))
            {LOWERED} {lowered}
            {main}
            (core instance $main (instantiate $main-module (with "libc" (instance $libc))
                (with "host" (instance {ARGUMENTS} {arguments}))))
            {lifted}
            (func $describe (param "options-json" string) (result (result string (error string)))
                (canon lift (core func $main "describe") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (instance $lifecycle
                (export "begin-provision" (func $begin-provision)) (export "provision-complete" (func $provision-complete))
                (export "get-config" (func $get-config)) (export "deprovision" (func $deprovision)))
            (export "larder:provider/lifecycle@0.1.0" (instance $lifecycle))
            (instance $catalog (export "describe" (func $describe)))
            (export "larder:provider/catalog@0.1.0" (instance $catalog))
            {epilogue})"#
        )
    }

    fn main_module(&self) -> String {
        let Self { begin, complete, config, deprovision, describe, post_return, start, fields, .. } = self;
        let function = |name: &str, body: &str| {
            // Those who want the addon itself say so by its name; for the others its handle is dropped at once.
            let drop = if body.contains("$addon") { "" } else { "(call $drop-addon (local.get 0))" };
            format!(
                r#"(func (export "{name}") (param $addon i32) (result i32) {} {drop} {})"#,
                locals(body).0,
                locals(body).1
            )
        };
        let functions = [
            function("begin-provision", begin),
            function("provision-complete", complete),
            function("get-config", config),
            function("deprovision", deprovision),
        ]
        .join("\n");
        let start = if start.is_empty() { String::new() } else { format!("(func $start {start}) (start $start)") };
        format!(
            r#"(core module $main-module {CORE_IMPORTS} {fields} {functions}
            (func (export "describe") (param $ptr i32) (param $len i32) (result i32) {describe})
            (func (export "post-return") (param i32) {post_return})
            {start})"#
        )
    }
}

/// Turns text into a binary.
pub(crate) fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A body's leading line of locals, and the rest of it.
fn locals(body: &str) -> (&str, &str) {
    match body.split_once('\n') {
        Some((first, rest)) if first.trim_start().starts_with("(local ") => (first, rest),
        _ => ("", body),
    }
}
