//! What an app has on a server: a virtual host and a user who may do everything in it, and nothing elsewhere.

use std::time::Duration;

use larder_sdk::{Addon, Config, Failure, Progress, ProvisionType, secrets};
use larder_servers::name_of;

use crate::server::Place;
use crate::{amqp, management};

/// How long to wait for a virtual host that starts.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// An app's part of a server.
pub(crate) struct Tenant {
    /// Of the virtual host and the user.
    name: String,
    password: String,
    /// What the user may see of the server beyond messages.
    tags: &'static str,
}

impl Tenant {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        // The pages that show queues are for those who have the server to themselves.
        let tags = if addon.provision_type() == ProvisionType::Communal { "" } else { "management" };
        Ok(Self { name: name_of(addon), password: secrets::password("user", 0, 40)?, tags })
    }

    /// Makes it, and tries it: ready is what has taken the app's own login.
    pub(crate) fn make(&self, place: &Place) -> Result<Progress, Failure> {
        let Self { name, password, tags } = self;
        management::make(place, name, name, password, tags)?;
        match amqp::log_in(place, name, name, password) {
            Ok(()) => Ok(Progress::Done),
            Err(why) => {
                Ok(Progress::pending(AGAIN_AFTER, format!("The virtual host is made, and not ready yet: {why}")))
            }
        }
    }

    pub(crate) fn remove(&self, place: &Place) -> Result<Progress, Failure> {
        management::remove(place, &self.name, &self.name)?;
        Ok(Progress::Done)
    }

    pub(crate) fn config(&self, place: &Place) -> Config {
        let (Self { name, password, tags }, Place { host, amqp, management, .. }) = (self, place);
        let url = format!("amqp://{name}:{password}@{host}:{amqp}/{name}");
        let config = Config::new()
            .secret("AMQP_URL", &url)
            .secret_credential("uri", url)
            .credential("protocol", "amqp")
            .credential("hostname", host)
            .credential("port", amqp.to_string())
            .credential("username", name)
            .secret_credential("password", password)
            .credential("vhost", name);
        match *tags {
            "" => config,
            _ => config.credential("management_uri", format!("http://{host}:{management}")),
        }
    }
}
