//! Providers without wasm: a component is its manifest, and an addon's parameters say how its provider behaves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use larder_domain::config::{RawConfig, RawEntry};
use larder_domain::failure::{Fault, GuestFailure, Pending};
use larder_domain::limits::CallLimits;
use larder_domain::operation::Health;
use larder_domain::ports::runtime::{Call, CallReport, Export, Interface, LogLine, ProviderRuntime, Reply, Usage};
use larder_domain::provider::Refusal;
use larder_domain::{Digest, SecretString};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// A manifest with one service, which sets these variables.
pub(crate) fn manifest_of(service: &str, variables: Value) -> Value {
    let parameters = json!({
        "type": "object",
        "properties": { "fail": { "type": "string" }, "hang": { "type": "boolean" }, "size": { "type": "integer", "maximum": 9 } },
        "additionalProperties": false,
    });
    let plans = json!([
        { "name": "small", "description": "Small", "parameters": parameters },
        { "name": "large", "description": "Large", "free": false, "provision_deadline_s": 60 },
    ]);
    let service = json!({
        "name": service, "description": "A thing", "tags": ["test"], "variables": variables, "plans": plans,
        "provision_types": ["independent", "communal"],
    });
    json!({ "version": "1.0", "description": "Scripted", "services": [service] })
}

/// A manifest of the service `thing`, which sets `THING_URL`.
pub(crate) fn manifest() -> Value {
    manifest_of("thing", json!(["THING_URL"]))
}

/// The runtime. A component that begins with `refuse` is refused, one that begins with `panic` brings the host down, and options with the
/// word `hold` are thought about until somebody lets them go.
pub(crate) struct Scripted {
    components: Mutex<HashMap<Digest, String>>,
    held: Arc<Semaphore>,
}

impl Scripted {
    /// Each permit of `held` lets one go that is held.
    pub(crate) fn new(held: Arc<Semaphore>) -> Self {
        Self { components: Mutex::default(), held }
    }
}

#[async_trait]
impl ProviderRuntime for Scripted {
    fn inspect(&self, wasm: &[u8]) -> Result<(), Refusal> {
        assert!(!wasm.starts_with(b"panic"), "hunter2 at the worst moment");
        if wasm.starts_with(b"refuse") {
            return Err(Refusal::new("core_module", "this is a core module"));
        }
        Ok(())
    }

    async fn load(&self, digest: Digest, wasm: Vec<u8>) -> Result<(), Refusal> {
        self.components.lock().unwrap().insert(digest, String::from_utf8(wasm).unwrap());
        Ok(())
    }

    async fn load_kept(&self, digest: Digest) -> bool {
        self.is_loaded(digest)
    }

    fn is_loaded(&self, digest: Digest) -> bool {
        self.components.lock().unwrap().contains_key(&digest)
    }

    fn exports(&self, _digest: Digest) -> Vec<Interface> {
        vec![Interface::Update, Interface::Rotation]
    }

    fn unload(&self, digest: Digest) {
        self.components.lock().unwrap().remove(&digest);
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn describe(
        &self,
        digest: Digest,
        options: &SecretString,
        _limits: CallLimits,
    ) -> Result<Result<String, String>, Fault> {
        if options.reveal().contains("hold") {
            self.held.acquire().await.unwrap().forget();
        }
        Ok(Ok(self.components.lock().unwrap()[&digest].clone()))
    }

    async fn call(&self, call: Call) -> CallReport {
        let log = vec![LogLine { stream: "stdout", text: format!("called {}", call.export) }];
        CallReport {
            outcome: Ok(answer(&call)),
            state: None,
            log,
            denied: vec![],
            denials: 0,
            objects: None,
            issued: vec![],
            cpu: Duration::ZERO,
            wall: Duration::ZERO,
        }
    }
}

fn answer(call: &Call) -> Result<Reply, GuestFailure> {
    let parameters = call.addon.parameters.reveal();
    match call.export {
        Export::BeginProvision => match parameters["fail"].as_str() {
            Some(reason) => Err(GuestFailure::Failed(reason.into())),
            None => Ok(Reply::Begun("begun".into())),
        },
        Export::ProvisionComplete if parameters["hang"] == true => {
            Ok(Reply::Pending(Pending::bounded(3_600_000, "half way".into(), Some(50))))
        }
        Export::BeginUpdate if parameters["size"] == 7 => Err(GuestFailure::Rejected("7 is unlucky".into())),
        Export::BeginUpdate | Export::BeginRotation => Ok(Reply::Begun("begun".into())),
        Export::BeginExport | Export::BeginImport => Ok(Reply::Transfer(SecretString::new("{}"))),
        Export::CheckHealth => Ok(Reply::Health(Health::HEALTHY)),
        Export::ProvisionComplete | Export::Deprovision | Export::EndRotation => Ok(Reply::Done),
        Export::GetConfig => Ok(Reply::Config(config(call))),
    }
}

fn config(call: &Call) -> RawConfig {
    let value = SecretString::new(format!("thing://user:p'w d@{}", call.addon.name));
    RawConfig {
        variables: vec![RawEntry { name: "THING_URL".into(), value: value.clone(), secret: true }],
        credentials: vec![RawEntry { name: "uri".into(), value, secret: true }],
    }
}
