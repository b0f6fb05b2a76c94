//! A provider in Python: 18 MB, most of it an interpreter, which takes seconds to compile while everybody else goes on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use crate::operations::is_rotated_and_tells_how_it_does;
use crate::support::{Host, contract_in, install, may_change_the_machine, run};

const COMPONENTIZE: &str = "componentize-py==0.25.1";

/// What makes it one that does more than it must.
const MORE: &str = r#"

from wit_world.exports import health


class Rotation(exports.Rotation):
    def begin_rotation(self, addon) -> str:
        return f"word number {addon.generation()}"

    def end_rotation(self, addon) -> types.Progress:
        return types.Progress_Done()


class Health(exports.Health):
    def check(self, addon) -> health.Status:
        return health.Status_Healthy()
"#;

#[tokio::test]
async fn world_a_provider_in_python_is_compiled_beside_the_work_of_others() {
    let name = "world_a_provider_in_python_is_compiled_beside_the_work_of_others";
    if !may_change_the_machine(name, "installs Python and componentize-py") {
        return;
    }
    let wasm = std::fs::read(greeting()).unwrap();
    assert!((12 << 20..32 << 20).contains(&wasm.len()), "{} bytes", wasm.len());

    let host = Host::start(&["secret"]).await;
    // A quick machine makes more of them meanwhile than an app may have.
    host.put("/v1/apps/demo/quota", json!({ "addons_max": 100_000 })).await.expect(200);
    let others = AtomicU32::new(0);
    // A neighbour's addon is made meanwhile.
    let (version, stages) = host
        .follow("python", wasm, async || {
            let addon = format!("other{}", others.fetch_add(1, Relaxed));
            let other = host.create_and_wait(json!({ "service": "secret", "name": addon, "attach_as": addon })).await;
            assert_eq!(other.expect(201)["state"], "ready");
        })
        .await;
    let others = others.into_inner();
    assert_eq!((&version["state"], &version["refusal"]), (&json!("active"), &Value::Null));
    assert!(stages.contains(&json!("compiling")) && others > 5, "{stages:?}, {others} others");

    let made = host.create_and_wait(json!({ "service": "python-greeting" })).await.expect(201);
    assert_eq!(made["state"], "ready", "{made}");
    assert_eq!(host.variables().await["GREETING"], "hello, python-greeting");
    is_rotated_and_tells_how_it_does(&host, "python", made["id"].as_str().unwrap()).await;
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let wit = contract_in(&tools);
    let wasm = tools.join("greeting.wasm");
    let mut build = Command::new(tools.join("bin/componentize-py"));
    build.arg("-d").arg(&wit).args(["-w", "mine", "componentize", "greeting", "-o"]).arg(&wasm);
    // Python leaves files beside what it reads.
    let source = std::fs::read_to_string(root.join("tests/guests/greeting.py")).unwrap();
    std::fs::write(tools.join("greeting.py"), source + MORE).unwrap();
    run(build.current_dir(&tools));
    wasm
}
