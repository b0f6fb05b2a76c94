//! A user of a common server: keys and channels under a prefix of its own, and no way to learn of others'.

use std::net::TcpStream;
use std::time::Duration;

use larder_clients::redis::{self, Scripts, Session, User};
use larder_sdk::{Addon, Config, Failure, Progress, secrets, state};
use larder_servers::{name_of, told, told_port};

use crate::server::connect;

/// How many batches of keys one call removes.
const BATCHES_MAX: u32 = 50;
/// Where the removal of keys has come to.
const CURSOR: &str = "cursor";
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// A user, as its addon has it.
pub(crate) struct Tenant {
    server: Server,
    /// Of the user, and before its keys.
    name: String,
    password: String,
}

/// Where the common server is, as it said itself.
struct Server {
    host: String,
    port: u16,
    password: String,
}

impl Server {
    fn of(addon: &Addon) -> Result<Self, Failure> {
        Ok(Self { host: told(addon, "hostname")?, port: told_port(addon, "port")?, password: told(addon, "password")? })
    }

    fn log_in(&self) -> Result<Session<TcpStream>, Failure> {
        let stream = connect(&self.host, self.port).map_err(|error| {
            Failure::retry_after(AGAIN_AFTER, format!("the common server can't be reached: {error}"))
        })?;
        Ok(redis::login(stream, None, Some(&self.password))?)
    }
}

impl Tenant {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        Ok(Self { server: Server::of(addon)?, name: name_of(addon), password: secrets::password("user", 0, 40)? })
    }

    /// Makes the user, and tries it.
    pub(crate) fn make(&self) -> Result<Progress, Failure> {
        let user =
            User { name: &self.name, passwords: &[&self.password], prefix: &self.name, scripts: Scripts::Denied };
        redis::acl_set_user(&mut self.server.log_in()?, &user)?;
        let stream = connect(&self.server.host, self.server.port).map_err(|error| {
            Failure::retry_after(AGAIN_AFTER, format!("the common server can't be reached: {error}"))
        })?;
        redis::login(stream, Some(&self.name), Some(&self.password))?.ping()?;
        Ok(Progress::Done)
    }

    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let Self { server: Server { host, port, .. }, name, password } = self;
        let url = format!("redis://{name}:{password}@{host}:{port}/0");
        Ok(Config::new()
            .secret("REDIS_URL", &url)
            .secret_credential("uri", url)
            .credential("protocol", "redis")
            .credential("hostname", host)
            .credential("port", port.to_string())
            .credential("username", name)
            .secret_credential("password", password)
            .credential("prefix", format!("{name}:")))
    }
}

/// First the user, so that nobody makes new keys; then its keys.
pub(crate) fn remove(addon: &Addon) -> Result<Progress, Failure> {
    let name = name_of(addon);
    let mut session = Server::of(addon)?.log_in()?;
    redis::acl_delete_user(&mut session, &name)?;
    let cursor = state::get_text(CURSOR)?;
    let sweep = redis::delete_keys(&mut session, &name, cursor.as_deref(), BATCHES_MAX)?;
    match sweep.cursor {
        None => Ok(Progress::Done),
        Some(cursor) => {
            state::set(CURSOR, &cursor)?;
            Ok(Progress::pending(AGAIN_AFTER, "The addon's keys are being removed"))
        }
    }
}
