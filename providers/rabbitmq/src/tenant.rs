//! What an app has on a server: a virtual host and a user who may do everything in it, and nothing elsewhere.
//!
//! RabbitMQ knows one password of a user, so each rotation makes a further user with the same rights. Queues and messages belong to the
//! virtual host, and stay when a user goes.

use std::time::Duration;

use larder_sdk::{Addon, Config, Failure, HealthStatus, Progress, ProvisionType, docker, secrets};
use larder_servers::{Generations, name_of};

use crate::server::Place;
use crate::{amqp, management};

/// How long to wait for a virtual host that starts.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// An app's part of a server.
pub(crate) struct Tenant {
    /// Of the virtual host, and of its first user.
    name: String,
    /// Who logs in, and by which password.
    user: String,
    password: String,
    generations: Generations,
    /// What the user may see of the server beyond messages.
    tags: &'static str,
    is_on_a_common_server: bool,
}

impl Tenant {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        // The pages that show queues are for those who have the server to themselves.
        let is_on_a_common_server = addon.provision_type() == ProvisionType::Communal;
        let tags = if is_on_a_common_server { "" } else { "management" };
        let (name, generation) = (name_of(addon), addon.generation());
        let (user, password) = (user(&name, generation), secrets::password("user", generation, 40)?);
        let generations = Generations::of(addon)?;
        Ok(Self { name, user, password, generations, tags, is_on_a_common_server })
    }

    /// Makes it, and tries it: ready is what has taken the app's own login.
    pub(crate) fn make(&self, place: &Place) -> Result<Progress, Failure> {
        let Self { name, user, password, tags, .. } = self;
        management::make(place, name, user, password, tags)?;
        if self.is_on_a_common_server {
            management::bound(place, name)?;
        }
        match self.log_in(place) {
            Ok(()) => Ok(Progress::Done),
            Err(why) => {
                Ok(Progress::pending(AGAIN_AFTER, format!("The virtual host is made, and not ready yet: {why}")))
            }
        }
    }

    fn log_in(&self, place: &Place) -> Result<(), String> {
        amqp::log_in(place, &self.name, &self.user, &self.password)
    }

    /// Whether the server lets in who has the addon's credentials.
    pub(crate) fn check(&self, place: &Place) -> HealthStatus {
        self.log_in(place).into()
    }

    /// Ends the users of older credentials.
    pub(crate) fn end_old(&self, place: &Place) -> Result<Progress, Failure> {
        self.remove_users(place, self.generations.old())?;
        self.generations.ended()?;
        Ok(Progress::Done)
    }

    /// The users go first, so that nobody makes new queues.
    pub(crate) fn remove(&self, place: &Place) -> Result<Progress, Failure> {
        self.remove_users(place, self.generations.left())?;
        management::remove_vhost(place, &self.name)?;
        Ok(Progress::Done)
    }

    fn remove_users(&self, place: &Place, mut generations: impl Iterator<Item = u32>) -> Result<(), Failure> {
        generations.try_for_each(|generation| management::remove_user(place, &user(&self.name, generation)))
    }

    pub(crate) fn config(&self, place: &Place) -> Result<Config, Failure> {
        let Self { name, user, password, tags, .. } = self;
        let (host, amqp) = docker::for_app(&place.host, place.amqp)?;
        let url = format!("amqp://{user}:{password}@{host}:{amqp}/{name}");
        let config = Config::new()
            .secret("AMQP_URL", &url)
            .secret_credential("uri", url)
            .credential("protocol", "amqp")
            .credential("hostname", host)
            .credential("port", amqp.to_string())
            .credential("username", user)
            .secret_credential("password", password)
            .credential("vhost", name);
        if tags.is_empty() {
            return Ok(config);
        }
        let (host, management) = docker::for_app(&place.host, place.management)?;
        Ok(config.credential("management_uri", format!("http://{host}:{management}")))
    }
}

/// Who logs in, in a generation of credentials.
fn user(name: &str, generation: u32) -> String {
    if generation == 0 { name.to_owned() } else { format!("{name}-{generation}") }
}
