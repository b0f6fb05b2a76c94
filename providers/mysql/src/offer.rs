//! What is offered, what it needs for that, and what an operator may set.

use larder_clients::Tls;
use larder_sdk::{Addon, Failure, Manifest, Options, Plan, ProvisionType, Request, Role, Service, json};
use serde::Deserialize;

/// How many apps a common server is made for.
const TENANTS: u16 = 4;
/// Connections of the server's administrator's.
const RESERVED: u16 = 5;
/// Threads of the server's own.
const THREADS: u32 = 64;

/// A size of a server, or of an app's part of one.
pub(crate) struct Size {
    name: &'static str,
    /// What the server keeps of its data in memory.
    pub(crate) pool_mib: u64,
    /// What its container may use.
    pub(crate) memory_mib: u64,
    /// How many connections an app may have at once.
    pub(crate) connections: u16,
}

const SIZES: [Size; 3] = [
    Size { name: "small", pool_mib: 64, memory_mib: 320, connections: 20 },
    Size { name: "medium", pool_mib: 384, memory_mib: 1024, connections: 50 },
    Size { name: "large", pool_mib: 2048, memory_mib: 4096, connections: 100 },
];

impl Size {
    /// How many connections a server of this size takes.
    pub(crate) fn connections_of(&self, role: Role) -> u16 {
        RESERVED + self.connections * if matches!(role, Role::Server) { TENANTS } else { 1 }
    }

    /// How many threads: one for each connection.
    pub(crate) fn pids_of(&self, role: Role) -> u32 {
        THREADS + u32::from(self.connections_of(role))
    }
}

/// What the operator sets.
#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) image: String,
    pub(crate) external: Option<External>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { image: "mariadb:10.11".to_owned(), external: None }
    }
}

/// A server that the operator has already.
#[derive(Deserialize)]
pub(crate) struct External {
    pub(crate) hostname: String,
    /// Where the name leads, if not to the public internet: then a grant has to tell that, too.
    network: Option<String>,
    #[serde(default = "usual_port")]
    pub(crate) port: u16,
    pub(crate) username: String,
    pub(crate) password: String,
    #[serde(default)]
    pub(crate) tls: Tls,
}

const fn usual_port() -> u16 {
    3306
}

pub(crate) fn manifest(options: &Options) -> Result<Manifest, String> {
    let settings: Settings = options.to()?;
    let service = Service::new("mysql", "A relational database, MySQL or MariaDB")
        .tag("mariadb")
        .tag("sql")
        .variable("DATABASE_URL")
        .provision_type(ProvisionType::Independent)
        .provision_type(ProvisionType::Communal)
        .provision_type(ProvisionType::Shared);
    let service = SIZES.iter().fold(service, |service, size| service.plan(plan(size, &settings)));
    let manifest = Manifest::new(env!("CARGO_PKG_VERSION"), "MySQL databases").service(service);
    let manifest = with_options(manifest);
    let Some(External { hostname, network, port, .. }) = settings.external else {
        let [memory, pids] = [
            SIZES.iter().map(|size| size.memory_mib).max().unwrap_or_default(),
            SIZES.iter().map(|size| size.pids_of(Role::Server).into()).max().unwrap_or_default(),
        ];
        let container = format!("{} containers=1 memory={memory}MiB cpus=1 pids={pids}", settings.image);
        return Ok(manifest
            .request(Request::required("docker", &container, "To run the servers"))
            .request(Request::required("docker", "volumes=1", "To keep their data")));
    };
    let places = [Some(hostname), network].into_iter().flatten();
    Ok(places.fold(manifest, |manifest, place| {
        manifest.request(Request::required("network", &format!("tcp://{place}:{port}"), "To make databases there"))
    }))
}

fn with_options(manifest: Manifest) -> Manifest {
    manifest.options(json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "image": { "type": "string", "description": "The image of MariaDB 10.6 or newer; mariadb:10.11 by default" },
            "external": {
                "type": "object",
                "description": "A server that is there already: databases are made on it, and no containers",
                "additionalProperties": false,
                "required": ["hostname", "username", "password"],
                "properties": {
                    "hostname": { "type": "string", "minLength": 1, "description": "As apps reach it, too" },
                    "network": { "type": "string", "description": "Where that name leads in a network of yours, like 10.1.0.0/16" },
                    "port": { "type": "integer", "minimum": 1, "maximum": 65535, "default": 3306 },
                    "username": { "type": "string", "minLength": 1, "description": "A user who may do all, GRANT OPTION included" },
                    "password": { "type": "string", "writeOnly": true },
                    "tls": { "enum": ["require", "prefer", "off"], "default": "prefer" }
                }
            }
        }
    }))
}

fn plan(size: &Size, settings: &Settings) -> Plan {
    let Size { name, memory_mib, connections, .. } = size;
    let about = match settings.external {
        None => format!("{memory_mib} MiB of memory, 1 CPU, {connections} connections"),
        Some(_) => format!("{connections} connections"),
    };
    Plan::new(name, &about)
}

/// The size that an addon asked for.
pub(crate) fn size(addon: &Addon) -> Result<&'static Size, Failure> {
    let plan = addon.plan();
    SIZES.iter().find(|size| size.name == plan).ok_or_else(|| Failure::rejected(format!("there is no plan {plan}")))
}
