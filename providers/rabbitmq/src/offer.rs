//! What is offered, what it needs for that, and what an operator may set.

use larder_sdk::{Manifest, Options, Plan, Service};
use larder_servers::{Image, Size as _, in_every_way, keeping};

/// A size of a server.
pub(crate) struct Size {
    name: &'static str,
    /// What its container may use. A server without any message takes about 150 MiB.
    memory_mib: u64,
}

/// The image that servers run from.
pub(crate) const IMAGE: Image = Image { usual: "rabbitmq:3-management", of: "RabbitMQ with its management plugin" };

pub(crate) fn manifest(options: &Options) -> Result<Manifest, String> {
    let service = Service::new("rabbitmq", "A message broker for AMQP 0-9-1")
        .tag("rabbitmq")
        .tag("amqp")
        .tag("queue")
        .variable("AMQP_URL");
    let manifest = Manifest::new(env!("CARGO_PKG_VERSION"), "RabbitMQ servers in containers")
        .service(Size::plans(in_every_way(service)))
        .options(IMAGE.options_of_keepers());
    let images = IMAGE.all_under(options)?;
    let manifest = images.iter().fold(manifest, |manifest, image| manifest.request(Size::request(image)));
    Ok(manifest.request(keeping("messages")))
}

impl larder_servers::Size for Size {
    const ALL: &'static [Self] = &[
        Self { name: "small", memory_mib: 512 },
        Self { name: "medium", memory_mib: 1024 },
        Self { name: "large", memory_mib: 2048 },
    ];

    fn name(&self) -> &'static str {
        self.name
    }

    fn plan(&self) -> Plan {
        Plan::new(self.name, &format!("{} MiB of memory, 1 CPU", self.memory_mib))
    }

    fn memory_mib(&self) -> u64 {
        self.memory_mib
    }

    /// The Erlang machine has many processes and threads, whatever there is to do.
    fn pids(&self) -> u32 {
        256
    }
}
