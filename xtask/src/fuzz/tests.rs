//! A short run of each target, which continuous integration does not leave out.

use std::process::Command;

use super::*;
use crate::test::{MACHINE, skip};

/// How long each target is fuzzed here, in seconds.
const SHORT_SECONDS: u32 = 15;

#[test]
fn world_fuzzing_finds_nothing() {
    if !crate::workspace::may_change_the_machine() {
        return skip("world_fuzzing_finds_nothing", "takes a minute or two; set LARDER_WORLD=1 to allow it");
    }
    let has_compiler = Command::new("c++").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_compiler {
        let _turn = MACHINE.lock().unwrap();
        for words in [&["update"][..], &["install", "--yes", "--no-install-recommends", "g++"]] {
            let mut apt = Command::new("apt-get");
            apt.args(["-qq", "-o", "Acquire::Retries=3"]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
            shell::run(&mut apt, "install a C++ compiler by hand").unwrap();
        }
    }
    run(&Workspace::find().unwrap(), None, SHORT_SECONDS).unwrap();
}
