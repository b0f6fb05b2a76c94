//! Looks at an upload before anything costly is done with it: is it a component, is it a provider of this contract, does
//! the host have what it imports?
//!
//! Milliseconds, and bounded: nothing is compiled, function bodies are skipped, and whatever can be repeated has a
//! ceiling. What this lets through may still be refused when it is compiled and linked; what it refuses, it refuses
//! with words that help: what was found, what was expected, how to mend it. Names in those words are a stranger's, so
//! they are quoted and cut.

mod offered;
mod outline;

use larder_domain::provider::Refusal;
use wasmparser::WasmFeatures;

pub use offered::all as offered;
use offered::{Name, Offer};
use outline::{Export, Import, Outline};

/// The longest component, in bytes. (A provider in Python has 18 MB, one in JavaScript 12.)
pub const COMPONENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The interface of the four functions.
pub const LIFECYCLE: &str = "larder:provider/lifecycle@0.1.0";
/// The interface of `describe`.
pub const CATALOG: &str = "larder:provider/catalog@0.1.0";

/// The optional interface for another plan or other parameters.
pub const UPDATE: &str = "larder:provider/update@0.1.0";
/// The optional interface for new credentials.
pub const ROTATION: &str = "larder:provider/rotation@0.1.0";
/// The optional interface for data out and in.
pub const TRANSFER: &str = "larder:provider/transfer@0.1.0";
/// The optional interface that says whether an addon works.
pub const HEALTH: &str = "larder:provider/health@0.1.0";

/// What a provider exports.
const EXPECTED: [(&str, &[&str]); 2] =
    [(LIFECYCLE, &["begin-provision", "provision-complete", "get-config", "deprovision"]), (CATALOG, &["describe"])];

/// How many names a message lists.
const NAMES_LISTED: usize = 6;

/// Whether the bytes may be a provider. `features` is the WebAssembly that the host runs.
///
/// # Errors
/// What it is instead, or what it lacks, for its author.
pub fn inspect(wasm: &[u8], features: WasmFeatures) -> Result<(), Refusal> {
    if wasm.len() > COMPONENT_BYTES_MAX {
        return Err(Refusal::new(
            "too_large",
            format!(
                "the component has {} bytes; at most {COMPONENT_BYTES_MAX} are allowed. Strip it and optimise it for size",
                wasm.len()
            ),
        ));
    }
    check_shape(wasm)?;
    let outline = outline::outline(wasm, features)?;
    check_imports(&outline.imports)?;
    check_exports(&outline)
}

/// The first bytes tell what a file is.
fn check_shape(wasm: &[u8]) -> Result<(), Refusal> {
    let text = wasm.trim_ascii_start();
    let refusal = match wasm {
        [] => Refusal::new("not_wasm", "the upload is empty; send the bytes of a WebAssembly component"),
        [b'\0', b'a', b's', b'm', version @ ..] => return check_version(version),
        [0x7f, b'E', b'L', b'F', ..] => Refusal::new(
            "not_wasm",
            "this is a native executable or a precompiled component (.cwasm); upload the .wasm that it was made from",
        ),
        [0x1f, 0x8b, ..] => Refusal::new("not_wasm", "this is compressed with gzip; upload the component as it is"),
        _ if [&b"("[..], b";;"].iter().any(|begin| text.starts_with(begin)) => Refusal::new(
            "not_wasm",
            "this looks like WebAssembly's text format; turn it into a binary with `wasm-tools parse`",
        ),
        _ => Refusal::new(
            "not_wasm",
            "this is not WebAssembly: it does not begin with the bytes 00 61 73 6d; upload a component, for Rust built \
             with `cargo build --target wasm32-wasip2`",
        ),
    };
    Err(refusal)
}

fn check_version(version: &[u8]) -> Result<(), Refusal> {
    match version {
        [0x0d, 0, 1, 0, ..] => Ok(()),
        [1, 0, 0, 0, ..] => Err(Refusal::new(
            "core_module",
            "this is a core module; providers are components. Build for wasm32-wasip2 instead of wasm32-wasip1, or wrap \
             the module with `wasm-tools component new`",
        )),
        _ => Err(Refusal::new(
            "invalid_component",
            "this is WebAssembly of another version, or cut off after its first bytes; expected is a component (layer 1, \
             version 13)",
        )),
    }
}

fn check_imports(imports: &[Import]) -> Result<(), Refusal> {
    let mut unknown = Vec::new();
    for import in imports.iter().filter(|import| !import.needs_nothing) {
        match offered::offer(&import.name) {
            Offer::Same => {}
            Offer::OtherVersion(ours) if import.name.starts_with("larder:") => {
                return Err(other_version("imports", &import.name, &ours));
            }
            Offer::OtherVersion(ours) => unknown.push(format!("{} (the host has {ours})", quoted(&import.name))),
            Offer::Nothing { near } if near.is_empty() => unknown.push(quoted(&import.name)),
            Offer::Nothing { near } => unknown.push(format!("{} (near: {})", quoted(&import.name), near.join(", "))),
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        "unknown_import",
        format!(
            "the component imports what the host does not offer: {}. The host offers {}. Build it without these imports, \
             or compose it with a component that exports them",
            listed(&unknown),
            offered::summary()
        ),
    ))
}

fn check_exports(outline: &Outline) -> Result<(), Refusal> {
    for (interface, functions) in EXPECTED {
        let Some(export) = outline.exports.iter().find(|export| offered::is_compatible(&export.name, interface)) else {
            return Err(missing(interface, &outline.exports));
        };
        if let Some(function) = functions.iter().find(|function| !export.functions.iter().any(|f| f == *function)) {
            return Err(Refusal::new(
                "wrong_world",
                format!("{interface} is exported without the function {function}; build against the WIT of this host"),
            ));
        }
    }
    Ok(())
}

fn missing(interface: &str, exports: &[Export]) -> Refusal {
    let path = Name::of(interface).path;
    if let Some(other) = exports.iter().find(|export| Name::of(&export.name).path == path) {
        return other_version("exports", &other.name, interface);
    }
    let found: Vec<String> = exports.iter().map(|export| quoted(&export.name)).collect();
    let found = if found.is_empty() { "nothing".to_owned() } else { listed(&found) };
    Refusal::new(
        "wrong_world",
        format!(
            "the component exports {found}; a provider exports {LIFECYCLE} and {CATALOG}. Build it with the SDK, or \
             against the world larder:provider/provider"
        ),
    )
}

fn other_version(does: &str, found: &str, ours: &str) -> Refusal {
    Refusal::new(
        "unsupported_version",
        format!(
            "the component {does} {}; this host has {ours}. Build it against that version, or update the host",
            quoted(found)
        ),
    )
}

fn quoted(name: &str) -> String {
    const CHARS_MAX: usize = 100;
    let cut = if name.chars().nth(CHARS_MAX).is_some() { "…" } else { "" };
    format!("{}{cut}", name.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect::<String>())
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMES_LISTED);
    let first = names[..names.len() - more].join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}

#[cfg(test)]
mod tests;
