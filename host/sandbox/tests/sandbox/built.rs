//! Guests that were built with the SDK, as operators upload them. `LARDER_GUESTS` names the folder with their components;
//! without it, the folder is where the guests' workspace puts them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use larder_domain::Digest;
use larder_domain::failure::{FaultCode, GuestFailure};
use larder_domain::ports::{CallReport, Export, ProviderRuntime, Reply};
use larder_domain::secret::SecretString;
use larder_sandbox::{ArtefactDir, Compile, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::host::{call, code, failure, limits, load_wasm, reply, sandbox};

pub(crate) fn guest(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("LARDER_GUESTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../providers/target/wasm32-wasip2/release"),
        PathBuf::from,
    );
    let path = folder.join(name).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; build the guests first", path.display()))
}

/// What the chameleon does when it is told to.
struct Chameleon {
    sandbox: Sandbox,
    digest: Digest,
}

impl Chameleon {
    async fn load() -> Self {
        let sandbox = sandbox();
        Self { digest: load_wasm(&sandbox, guest("chameleon")).await, sandbox }
    }

    async fn begin(&self, behaviour: Value) -> CallReport {
        let mut call = call(self.digest, Export::BeginProvision);
        let mut addon = (*call.addon).clone();
        addon.parameters = json!({ "begin": behaviour }).into();
        call.addon = Arc::new(addon);
        // Whoever waits is to be ended soon; on a busy machine, the others may take their time.
        let wall_s = if behaviour.get("sleep_ms").is_some() { 2 } else { 60 };
        call.limits.wall = Duration::from_secs(wall_s);
        call.limits.cpu = Duration::from_millis(200);
        self.sandbox.call(call).await
    }
}

#[tokio::test]
async fn a_secret_is_provided() {
    let sandbox = sandbox();
    let digest = load_wasm(&sandbox, guest("secret")).await;
    let manifest = sandbox.describe(digest, &SecretString::new("{}"), limits()).await.unwrap().unwrap();
    assert!(manifest.contains("SECRET_KEY"), "{manifest}");
    reply(sandbox.call(call(digest, Export::BeginProvision)).await);
    assert_eq!(reply(sandbox.call(call(digest, Export::ProvisionComplete)).await), Reply::Done);
    let report = sandbox.call(call(digest, Export::GetConfig)).await;
    let issued = report.issued.clone();
    let Reply::Config(config) = reply(report) else { panic!("it is a configuration") };
    assert_eq!(config.variables[0].name, "SECRET_KEY");
    assert_eq!(config.variables[0].value, issued[0]);
    assert_eq!(issued[0].reveal().len(), 100);
}

#[tokio::test]
async fn a_panic_is_told_with_its_words_and_its_place() {
    let report = Chameleon::load().await.begin(json!({ "panic": "no such plan" })).await;
    assert_eq!(code(&report), FaultCode::Trap);
    assert!(report.log.iter().any(|line| line.stream == "stderr" && line.text == "no such plan"), "{:?}", report.log);
    let detail = report.outcome.unwrap_err().detail;
    assert!(detail.starts_with("trapped: "), "{detail}");
    assert!(detail.ends_with("\nno such plan") && detail.contains(".rs:"), "{detail}");
}

#[tokio::test]
async fn whatever_it_does_ends_as_what_it_is() {
    let chameleon = Chameleon::load().await;
    for (behaviour, expected) in [
        (json!({ "loop": {} }), FaultCode::CpuLimit),
        (json!({ "recurse": {} }), FaultCode::StackLimit),
        (json!({ "allocate_mib": 8 }), FaultCode::MemoryLimit),
        (json!({ "sleep_ms": 60_000 }), FaultCode::WallLimit),
        (json!({ "message": "x".repeat(300_000) }), FaultCode::HostcallLimit),
        (json!({ "trap": {} }), FaultCode::Trap),
    ] {
        let told_to = behaviour.to_string().chars().take(40).collect::<String>();
        let report = chameleon.begin(behaviour).await;
        assert_eq!(code(&report), expected, "{told_to}: {:?}", report.outcome);
        assert_eq!(report.state, None, "{told_to}");
    }
    let retry = json!({ "retry": { "after_ms": 500, "reason": "busy" } });
    let expected = GuestFailure::Retry { after_ms: 500, reason: "busy".to_owned() };
    assert_eq!(failure(chameleon.begin(retry).await), expected);
}

#[tokio::test]
async fn state_and_log_go_with_the_answer() {
    let behaviour = json!({ "do": [{ "set_state": { "k1": "v1" } }, { "print": "hello" }, { "log": { "bytes": 3 } }] });
    let report = Chameleon::load().await.begin(behaviour).await;
    let log: Vec<_> = report.log.iter().map(|line| (line.stream, line.text.as_str())).collect();
    assert_eq!(log, [("stdout", "hello"), ("info", "xxx")]);
    assert_eq!(report.state.unwrap().get("k1"), Some(&b"v1"[..]));
}

#[tokio::test]
async fn what_is_no_provider_is_refused() {
    let sandbox = sandbox();
    assert_eq!(sandbox.inspect(&guest("unknown_import")).unwrap_err().code, "unknown_import");
    let command = sandbox.inspect(&guest("command")).unwrap_err();
    assert_eq!(command.code, "wrong_world");
    assert!(command.message.contains("wasi:cli/run@0.2"), "{command}");
}

#[test]
fn inspecting_takes_milliseconds() {
    let (wasm, sandbox) = (guest("chameleon"), sandbox());
    let began = std::time::Instant::now();
    sandbox.inspect(&wasm).unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_was_compiled_once_is_loaded_without_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = |key: u8| {
        let artefacts = ArtefactDir { path: dir.path().to_owned(), key: [key; 32].into() };
        Sandbox::new(SandboxConfig {
            calls_max: 4,
            guest_threads: 1,
            artefacts: Some(artefacts),
            ..SandboxConfig::compiling(Compile::Here)
        })
        .unwrap()
    };
    let (digest, first) = (Digest([9; 32]), sandbox(1));
    assert!(!first.load_kept(digest).await);
    first.load(digest, guest("secret")).await.unwrap();
    drop(first);
    let second = sandbox(1);
    assert!(second.load_kept(digest).await);
    reply(second.call(call(digest, Export::BeginProvision)).await);
    assert!(!sandbox(2).load_kept(digest).await, "another host's key");
}
