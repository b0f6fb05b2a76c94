//! What is offered, what it needs for that, and what an operator may set.

use larder_sdk::{Addon, Failure, Manifest, Options, Plan, ProvisionType, Request, Service, json};
use serde::Deserialize;

/// A size of a server.
pub(crate) struct Size {
    name: &'static str,
    /// What Redis may hold.
    pub(crate) data_mib: u64,
    /// What its container may use: Redis copies what changes while it writes its data to disk.
    pub(crate) memory_mib: u64,
}

const SIZES: [Size; 3] = [
    Size { name: "small", data_mib: 64, memory_mib: 192 },
    Size { name: "medium", data_mib: 256, memory_mib: 640 },
    Size { name: "large", data_mib: 1024, memory_mib: 2304 },
];

/// What the operator sets.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) image: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { image: "redis:7".to_owned() }
    }
}

/// What the developer sets.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parameters {
    pub(crate) eviction: Option<String>,
    pub(crate) persistence: Option<bool>,
}

pub(crate) fn manifest(options: &Options) -> Result<Manifest, String> {
    let settings: Settings = options.to()?;
    let service = Service::new("redis", "A key-value store in memory")
        .tag("redis")
        .tag("cache")
        .variable("REDIS_URL")
        .provision_type(ProvisionType::Independent)
        .provision_type(ProvisionType::Communal)
        .provision_type(ProvisionType::Shared);
    let service = SIZES.iter().fold(service, |service, size| service.plan(plan(size)));
    let largest = SIZES.iter().map(|size| size.memory_mib).max().unwrap_or_default();
    let container = format!("{} containers=1 memory={largest}MiB cpus=1 pids=64", settings.image);
    Ok(Manifest::new(env!("CARGO_PKG_VERSION"), "Redis servers in containers")
        .service(service)
        .options(json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "image": { "type": "string", "description": "The image of Redis 6.2 or newer; redis:7 by default" } }
        }))
        .request(Request::required("docker", &container, "To run the servers"))
        .request(Request::required("docker", "volumes=1", "To keep their data")))
}

fn plan(size: &Size) -> Plan {
    Plan::new(size.name, &format!("{} MiB of data, {} MiB of memory, 1 CPU", size.data_mib, size.memory_mib))
        .parameters(json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "eviction": {
                    "description": "What goes when there is no more room",
                    "enum": ["noeviction", "allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-ttl"]
                },
                "persistence": { "type": "boolean", "description": "Whether data outlives a restart; true by default" }
            }
        }))
}

/// The size that an addon asked for.
pub(crate) fn size(addon: &Addon) -> Result<&'static Size, Failure> {
    let plan = addon.plan();
    SIZES.iter().find(|size| size.name == plan).ok_or_else(|| Failure::rejected(format!("there is no plan {plan}")))
}
