//! What is offered, what it needs for that, and what an operator may set.

use larder_sdk::{Addon, Failure, Manifest, Options, Plan, Request, Service, json};
use serde::Deserialize;

/// A size of a server.
pub(crate) struct Size {
    name: &'static str,
    /// What memcached may hold.
    pub(crate) items_mib: u64,
    /// What its container may use: connections and the table of keys come on top.
    pub(crate) memory_mib: u64,
}

const SIZES: [Size; 3] = [
    Size { name: "small", items_mib: 64, memory_mib: 128 },
    Size { name: "medium", items_mib: 256, memory_mib: 384 },
    Size { name: "large", items_mib: 1024, memory_mib: 1344 },
];

/// What the operator sets.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) image: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { image: "memcached:1.6".to_owned() }
    }
}

pub(crate) fn manifest(options: &Options) -> Result<Manifest, String> {
    let settings: Settings = options.to()?;
    let about = "A cache in memory; it has no passwords: whoever can reach it can use it";
    let service = Service::new("memcached", about).tag("memcached").tag("cache").variable("MEMCACHED_URL");
    let service = SIZES.iter().fold(service, |service, size| service.plan(plan(size)));
    let largest = SIZES.iter().map(|size| size.memory_mib).max().unwrap_or_default();
    let container = format!("{} containers=1 memory={largest}MiB cpus=1 pids=64", settings.image);
    Ok(Manifest::new(env!("CARGO_PKG_VERSION"), "memcached servers in containers")
        .service(service)
        .options(json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "image": { "type": "string", "description": "The image of memcached; memcached:1.6 by default" } }
        }))
        .request(Request::required("docker", &container, "To run the servers")))
}

fn plan(size: &Size) -> Plan {
    Plan::new(size.name, &format!("{} MiB of items, {} MiB of memory, 1 CPU", size.items_mib, size.memory_mib))
}

/// The size that an addon asked for.
pub(crate) fn size(addon: &Addon) -> Result<&'static Size, Failure> {
    let plan = addon.plan();
    SIZES.iter().find(|size| size.name == plan).ok_or_else(|| Failure::rejected(format!("there is no plan {plan}")))
}
