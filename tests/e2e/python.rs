//! A provider in Python: 18 MB, most of it an interpreter, which takes seconds to compile while everybody else goes on.

use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Host, install, may_change_the_machine, run};

const COMPONENTIZE: &str = "componentize-py==0.25.1";

#[tokio::test]
async fn world_a_provider_in_python_is_compiled_beside_the_work_of_others() {
    let name = "world_a_provider_in_python_is_compiled_beside_the_work_of_others";
    if !may_change_the_machine(name, "installs Python and componentize-py") {
        return;
    }
    let wasm = std::fs::read(greeting()).unwrap();
    assert!((12 << 20..32 << 20).contains(&wasm.len()), "{} bytes", wasm.len());

    let host = Host::start(&["secret"]).await;
    let request = host.request(Method::POST, "/v1/providers?name=python").header("content-type", "application/wasm");
    let uploaded = Answer::of(request.body(wasm)).await;
    let location = uploaded.headers["location"].to_str().unwrap().to_owned();
    let mut stages = vec![uploaded.expect(202)["check"].clone()];
    let mut others = 0;
    let version = loop {
        let version = host.get(&location).await.expect(200);
        if version["state"] != "checking" {
            break version;
        }
        if stages.last() != Some(&version["check"]) {
            stages.push(version["check"].clone());
        }
        // A neighbour's addon is made meanwhile.
        let addon = format!("other{others}");
        let other = host.create_and_wait(json!({ "service": "secret", "name": addon, "attach_as": addon })).await;
        assert_eq!(other.expect(201)["state"], "ready");
        others += 1;
    };
    assert_eq!((&version["state"], &version["refusal"]), (&json!("active"), &Value::Null));
    assert!(stages.contains(&json!("compiling")) && others > 5, "{stages:?}, {others} others");

    let made = host.create_and_wait(json!({ "service": "python-greeting" })).await.expect(201);
    assert_eq!(made["state"], "ready", "{made}");
    assert_eq!(host.variables().await["GREETING"], "hello, python-greeting");
}

/// Builds the component, with tools of its own.
fn greeting() -> PathBuf {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("componentize-py");
    let has_venv = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    if !has_venv.is_ok_and(|output| output.status.success()) {
        install(&["python3-venv"]);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&tools));
    run(Command::new(tools.join("bin/pip")).args(["install", "--quiet", COMPONENTIZE]));
    // It reads one package and its dependencies from one folder.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (wit, host) = (tools.join("wit"), tools.join("wit/deps/host"));
    std::fs::create_dir_all(&host).unwrap();
    for (from, to) in [("wit/provider", &wit), ("wit/host", &host)] {
        for file in std::fs::read_dir(root.join(from)).unwrap().flatten() {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    let wasm = tools.join("greeting.wasm");
    let mut build = Command::new(tools.join("bin/componentize-py"));
    build.arg("-d").arg(&wit).args(["-w", "provider", "componentize", "greeting", "-o"]).arg(&wasm);
    // Python leaves files beside what it reads.
    std::fs::copy(root.join("tests/guests/greeting.py"), tools.join("greeting.py")).unwrap();
    run(build.current_dir(&tools));
    wasm
}
