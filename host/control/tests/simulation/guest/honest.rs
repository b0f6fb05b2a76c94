//! What providers do when nothing goes wrong with them: one that makes things elsewhere, and one that makes containers.

use larder_domain::config::{RawConfig, RawEntry};
use larder_domain::docker::{Objects, Status, Wanted};
use larder_domain::failure::{GuestFailure, Pending};
use larder_domain::operation::Health;
use larder_domain::ports::runtime::{CallReport, Export, GuestState, Interface, Reply};
use larder_domain::{AddonId, ProvisionType, Role, SecretString};
use serde_json::{Value, json};

use super::{Guest, report};
use crate::faults::Fault;

/// The image of the containers.
pub(crate) const IMAGE: &str = "shop/db:1";

/// Which provider, and which version of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    has_containers: bool,
    version: u64,
}

impl Kind {
    /// Components are just their names: `plain 1`, `docked 2`.
    pub(crate) fn of(component: &str) -> Self {
        let (name, version) = component.split_once(' ').unwrap();
        Self { has_containers: name == "docked", version: version.parse().unwrap() }
    }

    /// The later versions can say how an addon does.
    pub(super) fn exports(self) -> Vec<Interface> {
        let health = (self.version > 1).then_some(Interface::Health);
        [Interface::Update, Interface::Rotation].into_iter().chain(health).collect()
    }

    fn service(self) -> &'static str {
        if self.has_containers { "database" } else { "thing" }
    }

    fn variable(self) -> &'static str {
        if self.has_containers { "DATABASE_URL" } else { "THING" }
    }

    pub(super) fn manifest(self) -> Value {
        let parameters = json!({ "type": "object", "properties": { "size": { "type": "integer" } } });
        let plan = json!({ "name": "default", "description": "One", "parameters": parameters,
            "provision_deadline_s": 300, "failed_attempts_max": 4 });
        let types = if self.has_containers {
            json!(["independent", "communal", "shared"])
        } else {
            json!(["independent", "shared"])
        };
        let service = json!({ "name": self.service(), "description": "A thing", "variables": [self.variable()],
            "provision_types": types, "plans": [plan] });
        let request = |value: &str| json!({ "capability": "docker", "value": value, "required": true, "reason": "To keep things" });
        let requests = if self.has_containers { vec![request("volumes=1"), request(IMAGE)] } else { vec![] };
        json!({ "version": self.version.to_string(), "description": "Simulated", "services": [service], "requests": requests })
    }
}

/// What an addon's variable is to be.
pub(crate) fn value_of(addon: AddonId, generation: u32, parameters: &Value) -> String {
    let size = parameters.get("size").and_then(Value::as_u64).unwrap_or_default();
    format!("{addon}/{generation}/{size}")
}

impl Guest {
    pub(super) async fn honest(&self) -> CallReport {
        match self.call.export {
            Export::BeginProvision => self.begin().await,
            Export::ProvisionComplete => self.complete().await,
            Export::GetConfig => report(Ok(Ok(Reply::Config(self.config())))),
            Export::Deprovision => {
                let lies = self.world.strikes(Fault::CleanupLies);
                let mut state = self.world.state();
                if let Some(outside) = state.outside.get_mut(&self.call.addon.id).filter(|_| lies) {
                    outside.is_abandoned = true;
                } else {
                    state.outside.remove(&self.call.addon.id);
                }
                report(Ok(Ok(Reply::Done)))
            }
            Export::BeginUpdate => {
                CallReport { objects: self.objects(), ..report(Ok(Ok(Reply::Begun("changing".to_owned())))) }
            }
            Export::BeginRotation => {
                self.outside(|valid, generation| valid.extend([generation]));
                report(Ok(Ok(Reply::Begun("rotating".to_owned()))))
            }
            Export::EndRotation => {
                self.outside(|valid, generation| valid.retain(|it| *it == generation));
                report(Ok(Ok(Reply::Done)))
            }
            Export::CheckHealth => report(Ok(Ok(Reply::Health(Health::HEALTHY)))),
            Export::BeginExport | Export::BeginImport => report(Ok(Err(GuestFailure::Rejected("no".to_owned())))),
        }
    }

    async fn begin(&self) -> CallReport {
        self.outside(|valid, generation| valid.extend([generation]));
        let state = GuestState::from([("made".to_owned(), b"yes".to_vec())]);
        if self.world.within(0..=1) == 0 && self.call.context.checkpoint(&state).await.is_err() {
            let reason = "the host could not remember".to_owned();
            return report(Ok(Err(GuestFailure::Retry { after_ms: 1_000, reason })));
        }
        let done = report(Ok(Ok(Reply::Begun("begun".to_owned()))));
        CallReport { state: Some(state), objects: self.objects(), ..done }
    }

    /// A container says by itself when it can be used.
    async fn complete(&self) -> CallReport {
        if self.objects().is_none() {
            return report(Ok(Ok(Reply::Done)));
        }
        let pending = |message: String| Ok(Ok(Reply::Pending(Pending::bounded(5_000, message, None))));
        report(match self.call.context.inspect(&"server".parse().unwrap()).await {
            Ok(Status::Running { .. }) => Ok(Ok(Reply::Done)),
            Ok(Status::Waiting { message }) => pending(message),
            Ok(Status::Exited { .. }) => Ok(Err(GuestFailure::Failed("the server has ended".to_owned()))),
            Ok(Status::Failed { reason }) => Ok(Err(GuestFailure::Failed(reason))),
            Err(error) => Ok(Err(GuestFailure::Retry { after_ms: 1_000, reason: error.to_string() })),
        })
    }

    fn config(&self) -> RawConfig {
        let spec = &self.call.addon;
        let value = value_of(spec.id, self.call.generation, spec.parameters.reveal());
        let entry =
            |name: &str| RawEntry { name: name.to_owned(), value: SecretString::new(value.clone()), secret: true };
        if spec.role == Role::Server {
            return RawConfig { variables: vec![], credentials: vec![entry("uri")] };
        }
        let mut variables = vec![entry(self.kind.variable())];
        if self.world.strikes(Fault::ConfigLies) {
            variables.push(entry(
                ["FOREIGN", self.kind.variable(), "PATH"][usize::try_from(self.world.within(0..=2)).unwrap()],
            ));
        }
        RawConfig { variables, credentials: vec![entry("uri")] }
    }

    /// The addon's objects; none if it is a part of a server, or of a provider that makes none.
    fn objects(&self) -> Option<Objects> {
        let spec = &self.call.addon;
        let is_part = spec.provision_type == ProvisionType::Communal && spec.role == Role::User;
        if !self.kind.has_containers || is_part {
            return None;
        }
        let size = spec.parameters.reveal().get("size").and_then(Value::as_u64).unwrap_or_default();
        let server = json!({ "kind": "container", "name": "server", "image": IMAGE, "memory_bytes": 64 * 1024 * 1024,
            "ports": [5432], "env": { "SIZE": size.to_string() }, "mounts": [{ "volume": "data", "path": "/data" }] });
        let data = json!({ "kind": "volume", "name": "data" });
        let wanted = [data, server].map(|document| Wanted::parse(SecretString::new(document.to_string())).unwrap());
        Some(wanted.into_iter().map(|wanted| (wanted.spec.name().clone(), wanted)).collect())
    }

    fn outside(&self, change: impl FnOnce(&mut std::collections::BTreeSet<u32>, u32)) {
        let mut state = self.world.state();
        change(&mut state.outside.entry(self.call.addon.id).or_default().valid, self.call.generation);
    }
}
