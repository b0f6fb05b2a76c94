//! Compiling, as it happens in a process of its own, and what is kept of it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::support::{Host, guest};

const MIB: u64 = 1024 * 1024;

/// Runs the hidden command as the server does.
fn compile(parent: u32, memory_bytes: u64, wasm: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_larder"))
        .args(["compile-component", &parent.to_string(), &memory_bytes.to_string()])
        .env_clear()
        .env("MIMALLOC_ARENA_RESERVE", "65536")
        .env("RAYON_NUM_THREADS", "2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let wasm = wasm.to_vec();
    // A child that dies does not read all of it.
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&wasm)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

#[test]
fn a_compile_that_takes_more_memory_than_it_may_dies_alone() {
    let (parent, wasm) = (std::process::id(), guest("chameleon"));
    let plenty = compile(parent, 3072 * MIB, &wasm);
    assert!(plenty.status.success() && plenty.stdout[0] == b'c', "{:?}", plenty.status);
    let least = compile(parent, 768 * MIB, &wasm);
    assert!(least.status.success() && least.stdout[0] == b'c', "what it gets on the smallest machine: {least:?}");
    for mib in [8, 32, 48, 64, 72, 80, 88, 96] {
        // It notices, or it is ended; with enough for this one it succeeds.
        let little = compile(parent, mib * MIB, &wasm);
        let said = little.stdout.first().copied();
        assert!(matches!((little.status.success(), said), (false, _) | (true, Some(b'm' | b'c'))), "{mib}: {little:?}");
        assert!(mib > 48 || said != Some(b'c'), "{mib} MiB were enough");
    }
}

#[test]
fn small_files_that_are_much_to_compile_end_within_their_bounds() {
    let one = |function: &str| format!("(component (core module {function}))");
    let costly = [
        one(&format!("(func (param i32) (block (br_table {} (local.get 0))))", "0 ".repeat(300_000))),
        one(&format!("(func (local {}))", "i64 ".repeat(49_000)).repeat(10)),
        one(&format!("(func {} {})", "block ".repeat(20_000), "end ".repeat(20_000))),
        one(&format!("(memory 1) {}", r#"(data (i32.const 0) "")"#.repeat(100_000))),
        one(&format!("(func (result i32) (i32.const 1) {})", "(i32.const 3) i32.mul ".repeat(200_000))),
    ];
    for text in costly {
        let began = std::time::Instant::now();
        let ended = compile(std::process::id(), 512 * MIB, &wat::parse_str(&text).unwrap());
        let said = ended.stdout.first().copied();
        let verdict = (ended.status.success(), said);
        assert!(
            matches!(verdict, (false, _) | (true, Some(b'c' | b'r' | b'm'))),
            "{}: {:?}",
            &text[..60],
            ended.status
        );
        assert!(began.elapsed().as_secs() < 100, "{}: {:?}", &text[..60], began.elapsed());
    }
}

#[test]
fn a_compile_says_why_it_can_not_be_and_ends_without_its_parent() {
    let refused = compile(std::process::id(), 3072 * MIB, b"\0asm\x0d\0\x01\0 and so on");
    assert!(refused.status.success() && refused.stdout[0] == b'r', "{:?}", refused.stdout);
    let orphan = compile(1, 3072 * MIB, &guest("secret"));
    assert_eq!(orphan.stdout[0], b'u', "another process is its parent");
}

fn artefacts(host: &Host) -> Vec<PathBuf> {
    let dir = host.dir().join("artefacts");
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn what_was_compiled_is_kept_and_never_believed_when_it_was_changed() {
    let mut host = Host::start(&["secret"]).await;
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    let [kept] = artefacts(&host).try_into().unwrap();
    let whole = fs::read(&kept).unwrap();
    host.stop();
    // What the engine would run, with one bit in the middle of it turned.
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&kept, &changed).unwrap();
    host.restart();
    host.create_and_wait(json!({ "name": "second", "service": "secret", "attach_as": "SECOND" })).await.expect(201);
    assert_eq!(fs::read(&kept).unwrap(), whole, "compiled anew, which gives the same code");
    host.stop();
    fs::remove_dir_all(host.dir().join("artefacts")).unwrap();
    host.restart();
    host.create_and_wait(json!({ "name": "third", "service": "secret", "attach_as": "THIRD" })).await.expect(201);
    assert_eq!(artefacts(&host), [kept]);
}
