//! The README, done to the letter: what a newcomer types is what runs here.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::support::Host;

/// The fenced blocks of this language, in order.
pub(crate) fn blocks(readme: &str, language: &str) -> Vec<String> {
    let (start, mut found, mut open) = (format!("```{language}"), vec![], None::<String>);
    for line in readme.lines() {
        match &mut open {
            None if line == start => open = Some(String::new()),
            Some(_) if line == "```" => found.extend(open.take()),
            Some(block) => block.push_str(&format!("{line}\n")),
            None => {}
        }
    }
    found
}

/// A folder that looks like the checkout after `cargo xtask start`: the binary and the data directory are where they would be.
fn checkout(host: &Host) -> TempDir {
    let dir = TempDir::new().unwrap();
    let checkout = dir.path().join("checkout");
    std::fs::create_dir_all(checkout.join("target")).unwrap();
    symlink(Path::new(env!("CARGO_BIN_EXE_larder")).parent().unwrap(), checkout.join("target/larder")).unwrap();
    symlink(host.dir(), checkout.join("data")).unwrap();
    dir
}

#[tokio::test]
async fn every_command_of_the_readme_works() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    // What `cargo xtask start` leaves behind.
    let host = Host::start(&["secret", "parameters"]).await;
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    let dir = checkout(&host);

    let commands: Vec<String> =
        blocks(&readme, "sh").into_iter().filter(|block| !block.contains("cargo xtask")).collect();
    assert!(commands.len() >= 4, "the README has lost its commands");
    let screen = blocks(&readme, "text").concat();
    let shown: Vec<&str> = screen.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let script = format!("set -euo pipefail\n{}\n{}\n", commands.concat(), shown.join("\n"));
    // A newcomer's shell has none of what cargo sets for the tests that it runs.
    let mut shell = Command::new("bash");
    ["LD_LIBRARY_PATH", "CARGO_INCREMENTAL"].iter().for_each(|name| {
        shell.env_remove(name);
    });
    // But they keep what was compiled of the registry's crates for the next run.
    shell.env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/readme"));
    let output = shell.args(["-c", &script]).current_dir(dir.path().join("checkout")).output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{error}");

    for line in screen.lines().filter(|line| !line.starts_with('$')) {
        let name = line.split_once('=').map_or(line, |(name, _)| name);
        assert!(out.contains(&format!("\n{name}=")), "the README shows {name}, which was not printed:\n{out}");
    }
    assert!(out.contains("GREETING=hello\n"), "{out}");
    let written = std::fs::read_to_string(dir.path().join("greeting/src/lib.rs")).unwrap();
    assert_eq!(
        blocks(&readme, "rust"),
        [written],
        "the README shows another provider than `larder provider new` writes"
    );
}

/// A provider that serves takes no options that it has no grants for.
#[tokio::test]
async fn an_external_server_is_told_to_a_provider_that_serves_as_the_page_has_it() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/databases.md")).unwrap();
    let commands = blocks(&page, "sh").remove(0);
    let host = Host::start(&["postgres"]).await;
    host.provider(&["grant", "postgres", "--all"]);
    let version = async || host.get("/v1/providers/postgres").await.expect(200)["versions"][0].clone();
    assert_eq!(version().await["state"], "active");
    let larder = Path::new(env!("CARGO_BIN_EXE_larder")).parent().unwrap().display();
    let path = format!("{larder}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-euc", &commands]).env("PATH", path).env("LARDER_DATA_DIR", host.dir());
    let output = shell.env_remove("LARDER_URL").env_remove("LARDER_TOKEN").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asks = version().await["requests"].to_string();
    assert!(asks.contains("tcp://db.internal:5432"), "it has taken the options: {asks}");
}

#[tokio::test]
async fn the_provider_that_takes_its_time_works_as_the_page_has_it() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md")).unwrap();
    let slow = blocks(&page, "rust").into_iter().find(|block| block.contains("struct Slow;")).unwrap();
    let (host, dir) = (Host::start(&[]).await, TempDir::new().unwrap());
    let project = dir.path().join("slow");
    let path = project.to_str().unwrap();
    let new = host.cli(&["provider", "new", "slow", "--path", path]);
    assert_eq!(new.0, 0, "{}", new.2);
    std::fs::write(project.join("src/lib.rs"), slow).unwrap();
    // Not with what cargo sets for the tests that it runs.
    let mut build = Command::new(env!("CARGO_BIN_EXE_larder"));
    build.args(["provider", "build", path]).env_remove("LD_LIBRARY_PATH").env_remove("CARGO_INCREMENTAL");
    build.env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/readme"));
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let wasm = std::fs::read(project.join("slow.wasm")).unwrap();
    assert_eq!(host.upload("slow", wasm).await.expect(201)["state"], "active");
    let made = host.create_and_wait(json!({ "service": "slow" })).await;
    let id = made.id();
    assert_eq!(made.expect(201)["state"], "ready");
    let pending = host.calls(&id).await.iter().filter(|call| *call == "provision-complete pending").count();
    assert_eq!(pending, 3);
    assert_eq!(host.variables().await["SLOW_URL"], format!("slow://{id}"));
}
