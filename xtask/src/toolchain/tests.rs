//! The second way to a guest toolchain, taken for real: it installs packages, so it is a world test.

use std::fs;

use super::*;
use crate::build;
use crate::test::{MACHINE, skip};

/// What a component, as opposed to a plain module, begins with.
const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

#[test]
fn world_debian_packages_build_a_component() {
    if !crate::workspace::may_change_the_machine() {
        let reason = "installs Debian packages as root; set LARDER_WORLD=1 to allow it";
        return skip("world_debian_packages_build_a_component", reason);
    }
    let workspace = Workspace::find().unwrap();
    let toolchain = {
        let _turn = MACHINE.lock().unwrap();
        from_debian(&workspace).unwrap()
    };

    let folder = workspace.scratch().unwrap().join("hello-guest");
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = "[package]\nname = \"hello\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
        [workspace]\n[profile.release]\nlto = true\npanic = \"abort\"\n";
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/main.rs"), "fn main() { println!(\"hello\"); }\n").unwrap();

    let target = folder.join("target");
    build::drop_stale(&target, &toolchain).unwrap();
    let mut cargo = shell::guest_cargo(&workspace, &toolchain);
    cargo.args(["build", "--release", "--offline", "--target", TARGET]).current_dir(&folder);
    cargo.env("CARGO_TARGET_DIR", &target);
    shell::run(&mut cargo, "see above").unwrap();

    let wasm = fs::read(target.join(TARGET).join("release/hello.wasm")).unwrap();
    assert_eq!(wasm[..8], COMPONENT);
}
