//! What is offered, what it needs for that, and what an operator may set.

use larder_sdk::{Addon, Failure, Manifest, Options, Plan, ProvisionType, Request, Service, json};
use serde::Deserialize;

/// A size of a server.
pub(crate) struct Size {
    name: &'static str,
    /// What its container may use. A server without any message takes about 150 MiB.
    pub(crate) memory_mib: u64,
}

const SIZES: [Size; 3] = [
    Size { name: "small", memory_mib: 512 },
    Size { name: "medium", memory_mib: 1024 },
    Size { name: "large", memory_mib: 2048 },
];
/// Processes and threads: the Erlang machine has many of them, whatever there is to do.
pub(crate) const PIDS: u32 = 256;

/// What the operator sets.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) image: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { image: "rabbitmq:3-management".to_owned() }
    }
}

pub(crate) fn manifest(options: &Options) -> Result<Manifest, String> {
    let settings: Settings = options.to()?;
    let service = Service::new("rabbitmq", "A message broker for AMQP 0-9-1")
        .tag("rabbitmq")
        .tag("amqp")
        .tag("queue")
        .variable("AMQP_URL")
        .provision_type(ProvisionType::Independent)
        .provision_type(ProvisionType::Communal)
        .provision_type(ProvisionType::Shared);
    let service = SIZES.iter().fold(service, |service, size| service.plan(plan(size)));
    let largest = SIZES.iter().map(|size| size.memory_mib).max().unwrap_or_default();
    let container = format!("{} containers=1 memory={largest}MiB cpus=1 pids={PIDS}", settings.image);
    let image = "The image of RabbitMQ with its management plugin; rabbitmq:3-management by default";
    Ok(Manifest::new(env!("CARGO_PKG_VERSION"), "RabbitMQ servers in containers")
        .service(service)
        .options(json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "image": { "type": "string", "description": image } }
        }))
        .request(Request::required("docker", &container, "To run the servers"))
        .request(Request::required("docker", "volumes=1", "To keep their messages")))
}

fn plan(size: &Size) -> Plan {
    Plan::new(size.name, &format!("{} MiB of memory, 1 CPU", size.memory_mib))
}

/// The size that an addon asked for.
pub(crate) fn size(addon: &Addon) -> Result<&'static Size, Failure> {
    let plan = addon.plan();
    SIZES.iter().find(|size| size.name == plan).ok_or_else(|| Failure::rejected(format!("there is no plan {plan}")))
}
