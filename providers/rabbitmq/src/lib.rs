//! RabbitMQ: a server of its own for each addon, in a container, or a virtual host on a server that many share.
//!
//! Read `server` for what runs, `tenant` for what an app has on it, and this file for how both become an addon. `management` is how
//! the administrator speaks to a server, `amqp` how an app does. Nothing is stored: names come from the addon's id and passwords from
//! its seed, so whatever is called again after a crash finds what it made before.

mod amqp;
mod management;
mod offer;
mod server;
mod tenant;

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Progress, Provider, ProvisionType, Role};

use server::{Place, Server};
use tenant::Tenant;

struct RabbitMq;

impl Provider for RabbitMq {
    fn manifest(options: &Options) -> Result<Manifest, String> {
        offer::manifest(options)
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        match Kind::of(addon) {
            Kind::Own | Kind::Common => Server::of(addon)?.begin(),
            Kind::Tenant => Ok("A virtual host is made on the common server".to_owned()),
        }
    }

    fn provision_complete(addon: &Addon) -> Result<Progress, Failure> {
        let place = match Kind::of(addon) {
            Kind::Tenant => return Tenant::of(addon)?.make(&Place::told_to(addon)?),
            Kind::Own | Kind::Common => match Place::made()? {
                Ok(place) => place,
                Err(why) => return why.into_progress(),
            },
        };
        if let Some(not_yet) = place.not_yet() {
            return Ok(not_yet);
        }
        match Kind::of(addon) {
            Kind::Own => Tenant::of(addon)?.make(&place),
            Kind::Common | Kind::Tenant => Ok(Progress::Done),
        }
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        match Kind::of(addon) {
            Kind::Own => Ok(Tenant::of(addon)?.config(&Place::made()??)),
            Kind::Common => Ok(Place::made()??.config()),
            Kind::Tenant => Ok(Tenant::of(addon)?.config(&Place::told_to(addon)?)),
        }
    }

    fn deprovision(addon: &Addon) -> Result<Progress, Failure> {
        match Kind::of(addon) {
            // The host removes its container and its volume.
            Kind::Own | Kind::Common => Ok(Progress::Done),
            Kind::Tenant => Tenant::of(addon)?.remove(&Place::told_to(addon)?),
        }
    }
}

/// What an addon is to be.
enum Kind {
    /// A server, and what the app has on it.
    Own,
    /// The server that communal addons share.
    Common,
    /// What an app has on such a server.
    Tenant,
}

impl Kind {
    fn of(addon: &Addon) -> Self {
        match (addon.provision_type(), addon.role()) {
            (_, Role::Server) => Self::Common,
            (ProvisionType::Communal, Role::User) => Self::Tenant,
            _ => Self::Own,
        }
    }
}

larder_sdk::export!(RabbitMq);
