//! Tests of the real world: they install what they need, and so run only where they may.

use std::env;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Whether a test may; otherwise it is noted as skipped.
pub(crate) fn may_change_the_machine(test: &str, why: &str) -> bool {
    let may = env::var("CI").is_ok_and(|value| value == "true") || env::var_os("LARDER_WORLD").is_some();
    if !may {
        skip(test, &format!("{why}; set LARDER_WORLD=1 to allow it"));
    }
    may
}

/// Notes a test as skipped.
pub(super) fn skip(test: &str, why: &str) {
    if let Some(skips) = env::var_os("LARDER_TEST_SKIPS") {
        let mut file = File::options().append(true).create(true).open(skips).unwrap();
        file.write_all(format!("{test}\t{why}\n").as_bytes()).unwrap();
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Installs packages of Debian's, one test after the other.
pub(crate) fn install(packages: &[&str]) {
    static MACHINE: Mutex<()> = Mutex::new(());
    let _turn = MACHINE.lock();
    for words in [&["update"][..], &["install", "--yes", "--no-install-recommends"]] {
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "-o", "Acquire::Retries=3"]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
        run(if words.len() > 1 { apt.args(packages) } else { &mut apt });
    }
}

/// A copy of the contract below this folder, as other languages' tools read it: one package with what it needs beside it, and the
/// world `mine` that the documents tell to write.
pub(crate) fn contract_in(folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (wit, host) = (folder.join("wit"), folder.join("wit/deps/host"));
    std::fs::create_dir_all(&host).unwrap();
    for (from, to) in [("wit/provider", &wit), ("wit/host", &host)] {
        for file in std::fs::read_dir(root.join(from)).unwrap().flatten() {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    let page = std::fs::read_to_string(root.join("docs/providers.md")).unwrap();
    let (_, from_world) = page.split_once("cat > contract/mine.wit <<'END'\n").unwrap();
    std::fs::write(wit.join("mine.wit"), from_world.split_once("END\n").unwrap().0).unwrap();
    wit
}
