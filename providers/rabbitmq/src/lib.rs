//! RabbitMQ: a server of its own for each addon, in a container, or a virtual host on a server that many share.
//!
//! Read `server` for what runs, `tenant` for what an app has on it, and this file for how both become an addon. `management` is how
//! the administrator speaks to a server, `amqp` how an app does. Nothing is stored but the image and how far things have come: names come from the addon's id and passwords from
//! its seed, so whatever is called again after a crash finds what it made before.

mod amqp;
mod management;
mod offer;
mod server;
mod tenant;

use larder_sdk::docker::NotRunning;
use larder_sdk::{
    Addon, Config, Failure, Health, HealthStatus, Manifest, Options, Progress, Provider, ProvisionType, Role, Rotation,
    Update,
};
use larder_servers::common;

use server::{Place, Server};
use tenant::Tenant;

struct RabbitMq;

impl Provider for RabbitMq {
    fn manifest(options: &Options) -> Result<Manifest, String> {
        offer::manifest(options)
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        match Kind::of(addon) {
            Kind::Own | Kind::Common => {
                Server::of(addon)?.ensure()?;
                Ok("A RabbitMQ server is being started".to_owned())
            }
            Kind::Tenant => Ok("A virtual host is made on the common server".to_owned()),
        }
    }

    fn provision_complete(addon: &Addon) -> Result<Progress, Failure> {
        let (kind, place) = match (Kind::of(addon), place(addon)?) {
            (kind, Ok(place)) => (kind, place),
            (_, Err(why)) => return why.into_progress(),
        };
        if let (Kind::Own | Kind::Common, Some(not_yet)) = (&kind, place.not_yet()) {
            return Ok(not_yet);
        }
        match kind {
            Kind::Own | Kind::Tenant => Tenant::of(addon)?.make(&place),
            Kind::Common => Ok(Progress::Done),
        }
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        let place = place(addon)??;
        match Kind::of(addon) {
            Kind::Own | Kind::Tenant => Tenant::of(addon)?.config(&place),
            Kind::Common => Ok(place.config()),
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

impl Update for RabbitMq {
    fn begin_update(addon: &Addon) -> Result<String, Failure> {
        common::check_update(addon)?;
        match Kind::of(addon) {
            Kind::Own | Kind::Common => {
                Server::of(addon)?.ensure()?;
                Ok("The RabbitMQ server is started anew, with its messages; it is back in some seconds".to_owned())
            }
            Kind::Tenant => Ok("A part of a common server has no settings of its own".to_owned()),
        }
    }
}

impl Rotation for RabbitMq {
    /// The user is made by `provision_complete`, which is asked next.
    fn begin_rotation(addon: &Addon) -> Result<String, Failure> {
        common::check_rotation(addon)?;
        Ok("A further user is made for the virtual host".to_owned())
    }

    fn end_rotation(addon: &Addon) -> Result<Progress, Failure> {
        match place(addon)? {
            Ok(place) => Tenant::of(addon)?.end_old(&place),
            Err(why) => Ok(why.into_patience()),
        }
    }
}

impl Health for RabbitMq {
    fn check_health(addon: &Addon) -> Result<HealthStatus, Failure> {
        match (place(addon)?, Kind::of(addon)) {
            (Err(why), _) => why.into_health(),
            (Ok(place), Kind::Common) => Ok(place.answers().into()),
            (Ok(place), Kind::Own | Kind::Tenant) => Ok(Tenant::of(addon)?.check(&place)),
        }
    }
}

/// Where the addon's server is, if that runs.
fn place(addon: &Addon) -> Result<Result<Place, NotRunning>, Failure> {
    match Kind::of(addon) {
        Kind::Own | Kind::Common => Place::made(),
        Kind::Tenant => Place::told_to(addon).map(Ok),
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

larder_sdk::export!(RabbitMq: update, rotation, health);
