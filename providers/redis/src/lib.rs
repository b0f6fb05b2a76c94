//! Redis: a server of its own for each addon, in a container, or a user with a key prefix on a server that many share.
//!
//! Read `server` for what runs, `tenant` for what keeps users of one server apart, and this file for how both become an
//! addon. Nothing is stored: names come from the addon's id and passwords from its seed, so whatever is called again after a
//! crash finds what it made before.

mod offer;
mod server;
mod tenant;
mod transfer;

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Progress, Provider, ProvisionType, Role};

use server::Server;
use tenant::Tenant;

struct Redis;

impl Provider for Redis {
    fn manifest(options: &Options) -> Result<Manifest, String> {
        offer::manifest(options)
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        match Kind::of(addon) {
            Kind::Server => Server::of(addon)?.begin(),
            Kind::Tenant => Ok("A user is made on the common server".to_owned()),
        }
    }

    fn provision_complete(addon: &Addon) -> Result<Progress, Failure> {
        match Kind::of(addon) {
            Kind::Server => Server::of(addon)?.complete(),
            Kind::Tenant => Tenant::of(addon)?.make(),
        }
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        match Kind::of(addon) {
            Kind::Server => Server::of(addon)?.config(),
            Kind::Tenant => Tenant::of(addon)?.config(),
        }
    }

    fn deprovision(addon: &Addon) -> Result<Progress, Failure> {
        match Kind::of(addon) {
            // The host removes its container and its volume.
            Kind::Server => Ok(Progress::Done),
            Kind::Tenant => tenant::remove(addon),
        }
    }
}

/// What an addon is to be.
enum Kind {
    /// A server: an app's own, or the one that communal addons share.
    Server,
    /// A user of such a server.
    Tenant,
}

impl Kind {
    fn of(addon: &Addon) -> Self {
        match (addon.provision_type(), addon.role()) {
            (ProvisionType::Communal, Role::User) => Self::Tenant,
            _ => Self::Server,
        }
    }
}

larder_sdk::export!(Redis: transfer);
