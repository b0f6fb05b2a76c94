//! What is offered, what it needs for that, and what an operator may set.

use larder_sdk::{Manifest, Options, Plan, Service};
use larder_servers::{Image, Size as _};

/// A size of a server.
pub(crate) struct Size {
    name: &'static str,
    /// What memcached may hold.
    pub(crate) items_mib: u64,
    /// What its container may use: connections and the table of keys come on top.
    memory_mib: u64,
}

/// The image that servers run from.
pub(crate) const IMAGE: Image = Image { usual: "memcached:1.6", of: "memcached" };

pub(crate) fn manifest(options: &Options) -> Result<Manifest, String> {
    let about = "A cache in memory; it has no passwords: whoever can reach it can use it";
    let service = Service::new("memcached", about).tag("memcached").tag("cache").variable("MEMCACHED_URL");
    Ok(Manifest::new(env!("CARGO_PKG_VERSION"), "memcached servers in containers")
        .service(Size::plans(service))
        .options(IMAGE.options())
        .request(Size::request(&IMAGE.under(options)?)))
}

impl larder_servers::Size for Size {
    const ALL: &'static [Self] = &[
        Self { name: "small", items_mib: 64, memory_mib: 128 },
        Self { name: "medium", items_mib: 256, memory_mib: 384 },
        Self { name: "large", items_mib: 1024, memory_mib: 1344 },
    ];

    fn name(&self) -> &'static str {
        self.name
    }

    fn plan(&self) -> Plan {
        let Self { name, items_mib, memory_mib } = self;
        Plan::new(name, &format!("{items_mib} MiB of items, {memory_mib} MiB of memory, 1 CPU"))
    }

    fn memory_mib(&self) -> u64 {
        self.memory_mib
    }

    fn pids(&self) -> u32 {
        64
    }
}
