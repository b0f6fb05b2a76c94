//! Redis: a server of its own for each addon, in a container, or a user with a key prefix on a server that many share.
//!
//! Read `server` for what runs, `tenant` for what keeps users of one server apart, and this file for how both become an
//! addon; `change` is for what an update must not lose. Nothing is stored but the image and how far things have come: names come from the addon's id and passwords from its seed, so whatever is called again after a
//! crash finds what it made before.

mod change;
mod offer;
mod server;
mod tenant;
mod transfer;

use larder_sdk::{
    Addon, Config, Failure, Health, HealthStatus, Manifest, Options, Progress, Provider, ProvisionType, Role, Rotation,
    Update,
};
use larder_servers::common;

use server::Server;
use tenant::Tenant;

struct Redis;

impl Provider for Redis {
    fn manifest(options: &Options) -> Result<Manifest, String> {
        offer::manifest(options)
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        match Kind::of(addon) {
            Kind::Server => {
                server::ensure(addon)?;
                Ok("A Redis server is being started".to_owned())
            }
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

impl Update for Redis {
    fn begin_update(addon: &Addon) -> Result<String, Failure> {
        common::check_update(addon)?;
        match Kind::of(addon) {
            Kind::Server => change::begin(addon),
            Kind::Tenant => Ok("A part of a common server has no settings of its own".to_owned()),
        }
    }
}

impl Rotation for Redis {
    /// It is told by `provision_complete`, which is asked next. The container stays as it is: nothing is to stop for a password.
    fn begin_rotation(addon: &Addon) -> Result<String, Failure> {
        common::check_rotation(addon)?;
        Ok("The server is told another password".to_owned())
    }

    fn end_rotation(addon: &Addon) -> Result<Progress, Failure> {
        match Kind::of(addon) {
            Kind::Server => Server::of(addon)?.end_old(),
            Kind::Tenant => Tenant::of(addon)?.end_old(),
        }
    }
}

impl Health for Redis {
    fn check_health(addon: &Addon) -> Result<HealthStatus, Failure> {
        match Kind::of(addon) {
            Kind::Server => server::check(addon),
            Kind::Tenant => Ok(Tenant::of(addon)?.check()),
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

larder_sdk::export!(Redis: update, rotation, transfer, health);
