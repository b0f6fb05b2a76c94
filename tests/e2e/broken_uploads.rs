//! What authors read about a component that can't be a provider: all of it side by side in `broken_uploads.txt`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::support::{Host, guest};

const SNAPSHOT: &str = "tests/e2e/broken_uploads.txt";

/// Each kind of broken component, by the name under which it is uploaded.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let whole = guest("secret");
    let text = |text: &str| wat::parse_str(text).unwrap();
    let with = |from: &[u8], to: &[u8]| {
        let mut changed = whole.clone();
        for at in (0..whole.len() - from.len()).filter(|at| whole[*at..].starts_with(from)) {
            changed[at..at + to.len()].copy_from_slice(to);
        }
        changed
    };
    vec![
        ("empty", vec![]),
        ("text", b"fn main() {}".to_vec()),
        ("text-format", b"(component)".to_vec()),
        ("elf", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec()),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()),
        ("core-module", text("(module)")),
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("future-binary-format", [b"\0asm\x0e\0\x01\0", &whole[8..]].concat()),
        ("another-world", guest("command")),
        ("empty-component", text("(component)")),
        ("another-version", with(b"larder:provider/lifecycle@0.1.0", b"larder:provider/lifecycle@9.1.0")),
        ("unknown-import", guest("unknown-import")),
        ("misspelt-import", text(r#"(component (import "wasi:io/stream@0.2.6" (instance (export "f" (func)))))"#)),
        ("shared-memory", text("(component (core module (memory 1 1 shared)))")),
        ("memory64", text("(component (core module (memory i64 1)))")),
        ("too-many-sections", [text("(component)"), [0, 1, 0].repeat(20_001)].concat()),
        ("deep-nesting", text(&format!("(component {} {})", "(component ".repeat(20), ")".repeat(20)))),
        ("too-large", [b"\0asm\x0d\0\x01\0".to_vec(), vec![0; 33 << 20]].concat()),
        ("too-many-functions", text(&format!("(component (core module {}))", "(func)".repeat(100_001)))),
        ("other-types", text(&hollow(""))),
        (
            "import-of-another-type",
            text(&hollow(
                r#"(import "wasi:random/random@0.2.6" (instance (export "get-random-u64" (func (result u32)))))"#,
            )),
        ),
        ("too-many-instances", text(&hollow(&"(core instance (instantiate $m))".repeat(40)))),
        ("bad-manifest", guest("bad-manifest")),
        ("breaks-down", guest("trapper")),
    ]
}

/// A component with the exports of a provider, by name.
fn hollow(more: &str) -> String {
    format!(
        r#"(component
            (core module $m (func (export "f") (result i32) (i32.const 0)))
            (core instance $i (instantiate $m)) {more}
            (func $f (result u32) (canon lift (core func $i "f")))
            (instance $lifecycle (export "begin-provision" (func $f)) (export "provision-complete" (func $f))
                (export "get-config" (func $f)) (export "deprovision" (func $f)))
            (export "larder:provider/lifecycle@0.1.0" (instance $lifecycle))
            (instance $catalog (export "describe" (func $f)))
            (export "larder:provider/catalog@0.1.0" (instance $catalog)))"#
    )
}

/// Without what differs from one compiler, or checkout, to the next.
fn portable(text: &str) -> String {
    let root = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    let mut words = text
        .replace(&format!("{}/", root.display()), "")
        .replace("(at byte ", "(at byte N")
        .replace("version ", "version V")
        .replace("wasi:cli/run@0.2.", "wasi:cli/run@0.2.N");
    for mark in ["(at byte N", "version V", "wasi:cli/run@0.2.N"] {
        let mut parts = words.split(mark);
        let first = parts.next().unwrap().to_owned();
        let rest = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
        words = rest.fold(first, |all, part| format!("{all}{mark}{part}"));
    }
    words
}

#[tokio::test]
async fn each_kind_of_broken_component_is_told_what_to_mend() {
    let host = Host::empty().await;
    let folder = tempfile::tempdir().unwrap();
    let mut told = String::new();
    for (name, wasm) in broken() {
        let path = folder.path().join(format!("{name}.wasm"));
        fs::write(&path, wasm).unwrap();
        let (code, out, error) = host.cli(&["provider", "upload", path.to_str().unwrap()]);
        assert_eq!((code, &*out), (1, ""), "{name}: {error}");
        let error = portable(error.trim_end());
        writeln!(told, "$ larder provider upload {name}.wasm\n{error}\n").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(SNAPSHOT);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &told).unwrap();
    }
    let documented = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md")).unwrap();
    for code in told.lines().filter_map(|line| line.trim().strip_prefix("code: ")) {
        assert!(documented.contains(&format!("`{code}`")), "docs/errors.md says nothing of {code}");
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(told, expected, "if this is what authors should read: UPDATE_SNAPSHOTS=1, and look at {SNAPSHOT}");
}
