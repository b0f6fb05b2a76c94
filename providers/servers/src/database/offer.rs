//! What is offered, what it needs for that, and what an operator may set.

use larder_clients::Tls;
use larder_sdk::{Addon, Failure, Manifest, Options, Plan, Request, Role, json};
use serde::Deserialize;
use serde_json::Value;

use super::{Database, Kind, release, transfer};
use crate::size::find;
use crate::{in_every_way, keeping, running};

/// How many apps a common server is made for.
const TENANTS: u16 = 4;
/// The longest certificates of an authority: a document of a container has room for them.
const AUTHORITY_BYTES_MAX: u32 = 16 * 1024;
/// Connections of the server's administrator's.
const RESERVED: u16 = 5;
/// Connections by which we log in as the app, beside its own: to see how its database does, while data flow out of it or into it.
const OURS: u16 = 2;

/// A size of a server, or of an app's part of one.
#[derive(Debug)]
pub struct Size {
    /// The plan's name.
    pub name: &'static str,
    /// What its container may use.
    pub memory_mib: u64,
    /// What the server keeps of its data in memory.
    pub kept_mib: u64,
    /// How many connections an app may have at once.
    pub connections: u16,
}

impl Size {
    /// The size that an addon asked for.
    ///
    /// # Errors
    /// There is no plan of that name.
    pub fn of(addon: &Addon, kind: &Kind) -> Result<&'static Self, Failure> {
        find(kind.sizes, &addon.plan(), |size| size.name)
    }

    /// How many connections a user has at once: the app's, and ours.
    #[must_use]
    pub const fn connections_of_user(&self) -> u16 {
        self.connections + OURS
    }

    /// How many connections a server of this size takes.
    #[must_use]
    pub fn connections_of(&self, role: Role) -> u16 {
        RESERVED + self.connections_of_user() * if matches!(role, Role::Server) { TENANTS } else { 1 }
    }

    /// How many processes or threads: one for each connection.
    pub(super) fn pids_of(&self, role: Role) -> u32 {
        self.connections_of(role).into()
    }

    fn plan(&self, is_external: bool) -> Plan {
        let Self { name, memory_mib, connections, .. } = self;
        let about = if is_external {
            format!("{connections} connections")
        } else {
            format!("{memory_mib} MiB of memory, 1 CPU, {connections} connections")
        };
        Plan::new(name, &about)
    }
}

/// What the operator sets, beside the image.
#[derive(Deserialize)]
pub(super) struct Settings {
    pub(super) external: Option<External>,
}

/// A server that the operator has already.
#[derive(Deserialize)]
pub(super) struct External {
    pub(super) hostname: String,
    /// Where the name leads, if not to the public internet: then a grant has to tell that, too.
    network: Option<String>,
    port: Option<u16>,
    pub(super) username: String,
    pub(super) password: String,
    pub(super) database: Option<String>,
    tls: Option<Tls>,
    pub(super) authority: Option<String>,
}

impl External {
    pub(super) fn port(&self, kind: &Kind) -> u16 {
        self.port.unwrap_or(kind.port)
    }

    /// Where it is, as it is remembered.
    pub(super) fn address(&self, kind: &Kind) -> String {
        format!("{}:{}", self.hostname, self.port(kind))
    }

    /// Whether to secure connections, which is left to the kind if it is not said; nobody stands between two ends on one machine.
    pub(super) fn tls(&self, kind: &Kind) -> Tls {
        let is_here = matches!(self.hostname.as_str(), "localhost" | "[::1]") || self.hostname.starts_with("127.");
        self.tls.unwrap_or(if is_here { Tls::Prefer } else { kind.tls })
    }
}

pub(super) fn manifest<D: Database>(options: &Options) -> Result<Manifest, String> {
    let Kind { version, about, image, sizes, own_pids, .. } = D::KIND;
    let Settings { external } = options.to()?;
    let plans = sizes.iter().map(|size| D::plan(size.plan(external.is_some())));
    let service = plans.fold(in_every_way(D::service()), |service, plan| service.plan(plan));
    let manifest = Manifest::new(version, about).service(service).options(schema(D::KIND));
    let images = release::images::<D>(options, external.is_some())?;
    let memory_mib = sizes.iter().map(|size| size.memory_mib).max().unwrap_or_default();
    let pids = own_pids + sizes.iter().map(|size| size.pids_of(Role::Server)).max().unwrap_or_default();
    let servers = images.iter().map(|image| running(image, memory_mib, pids));
    let Some(external) = external else {
        return Ok(servers.fold(manifest, Manifest::request).request(keeping("data")));
    };
    // Addons that were made in containers go on there.
    let manifest = match servers.len() {
        1 => manifest,
        _ => servers.skip(1).fold(manifest, Manifest::request).request(keeping("data")),
    };
    let port = external.port(D::KIND);
    let memory_mib = sizes.iter().map(transfer::memory_mib).max().unwrap_or_default();
    let client = format!("{} memory={memory_mib}MiB pids={}", image.under(options)?, transfer::PIDS);
    let client = Request::optional("docker", &client, "To export and import databases by its clients");
    let places = [Some(external.hostname), external.network].into_iter().flatten();
    let manifest = places.fold(manifest, |manifest, place| {
        manifest.request(Request::required("network", &format!("tcp://{place}:{port}"), "To make databases there"))
    });
    Ok(manifest.request(client))
}

fn schema(kind: &Kind) -> Value {
    let tls =
        format!("Whether to secure connections; on loopback prefer by default, and elsewhere {}", kind.tls.as_str());
    let mut external = json!({
        "type": "object",
        "description": "A server that is there already: databases are made on it, and no containers",
        "additionalProperties": false,
        "required": ["hostname", "username", "password"],
        "properties": {
            "hostname": { "type": "string", "minLength": 1, "description": "As apps reach it, too" },
            "network": { "type": "string", "description": "Where that name leads in a network of yours, like 10.1.0.0/16" },
            "port": { "type": "integer", "minimum": 1, "maximum": 65535, "default": kind.port },
            "username": { "type": "string", "minLength": 1, "description": kind.rights },
            "password": { "type": "string", "writeOnly": true },
            "tls": { "enum": ["require", "prefer", "off"], "description": tls },
            "authority": { "type": "string", "maxLength": AUTHORITY_BYTES_MAX, "description": "The certificate of who vouches \
                for the server, in PEM, so that exports and imports check that, too" }
        }
    });
    if let Some(usual) = kind.admin_database {
        external["properties"]["database"] =
            json!({ "type": "string", "minLength": 1, "default": usual, "description": "Where that user logs in" });
    }
    let mut schema = kind.image.options();
    schema["properties"]["external"] = external;
    schema["properties"]["earlier_images"] = json!({
        "description": "Images of other releases that addons still run from: they keep the release that they were made with",
        "type": "array",
        "items": { "type": "string" }
    });
    schema
}

#[cfg(test)]
pub(super) mod tests;
