//! What is offered, what it needs for that, and what an operator may set.

use larder_sdk::{Manifest, Options, Plan, Service, json};
use larder_servers::{Image, Size as _, in_every_way, keeping};
use serde::Deserialize;

/// A size of a server.
pub(crate) struct Size {
    name: &'static str,
    /// What Redis may hold.
    pub(crate) data_mib: u64,
    /// What its container may use: Redis copies what changes while it writes its data to disk.
    memory_mib: u64,
}

/// The image that servers run from.
pub(crate) const IMAGE: Image = Image { usual: "redis:7", of: "Redis 6.2 or newer" };

/// What the developer sets.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parameters {
    eviction: Option<String>,
    persistence: Option<bool>,
}

impl Parameters {
    pub(crate) fn eviction(&self) -> &str {
        self.eviction.as_deref().unwrap_or("noeviction")
    }

    pub(crate) fn persists(&self) -> bool {
        self.persistence.unwrap_or(true)
    }
}

pub(crate) fn manifest(options: &Options) -> Result<Manifest, String> {
    let service = Service::new("redis", "A key-value store in memory").tag("redis").tag("cache").variable("REDIS_URL");
    let manifest = Manifest::new(env!("CARGO_PKG_VERSION"), "Redis servers in containers")
        .service(Size::plans(in_every_way(service)))
        .options(IMAGE.options_of_keepers());
    let images = IMAGE.all_under(options)?;
    let manifest = images.iter().fold(manifest, |manifest, image| manifest.request(Size::request(image)));
    Ok(manifest.request(keeping("data")))
}

impl larder_servers::Size for Size {
    const ALL: &'static [Self] = &[
        Self { name: "small", data_mib: 64, memory_mib: 192 },
        Self { name: "medium", data_mib: 256, memory_mib: 640 },
        Self { name: "large", data_mib: 1024, memory_mib: 2304 },
    ];

    fn name(&self) -> &'static str {
        self.name
    }

    fn plan(&self) -> Plan {
        let Self { name, data_mib, memory_mib } = self;
        Plan::new(name, &format!("{data_mib} MiB of data, {memory_mib} MiB of memory, 1 CPU")).parameters(json!({
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

    fn memory_mib(&self) -> u64 {
        self.memory_mib
    }

    fn pids(&self) -> u32 {
        64
    }
}
