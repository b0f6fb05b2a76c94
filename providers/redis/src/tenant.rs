//! A user of a common server: keys and channels under a prefix of its own, and no way to learn of others'.

use std::time::Duration;

use larder_clients::HostStream;
use larder_clients::redis::{self, Kept, Scripts, Session, User};
use larder_sdk::{Addon, Config, Failure, HealthStatus, Progress, docker, secrets, state};
use larder_servers::{Generations, LOGIN_WAIT, name_of, told, told_port};

use crate::server::{connect, written, written_at_last};

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
    generations: Generations,
    /// The newest one.
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

    fn connect(&self) -> Result<HostStream, Failure> {
        connect(&self.host, self.port)
            .map_err(|error| Failure::retry_after(AGAIN_AFTER, format!("the common server can't be reached: {error}")))
    }

    fn log_in(&self) -> Result<Session<HostStream>, Failure> {
        Ok(redis::login(self.connect()?, None, Some(&self.password))?)
    }
}

impl Tenant {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        let (server, generations) = (Server::of(addon)?, Generations::of(addon)?);
        Ok(Self { server, name: name_of(addon), generations, password: password(addon.generation())? })
    }

    /// Makes the user, and tries it.
    pub(crate) fn make(&self) -> Result<Progress, Failure> {
        let living = self.generations.living().map(password).collect::<Result<Vec<_>, _>>()?;
        written(self.set(&mut self.server.log_in()?, &living)?)?;
        self.try_it(self.server.connect()?)?;
        Ok(Progress::Done)
    }

    /// The user with these passwords and no others. Whoever is logged in stays so.
    fn set(&self, session: &mut Session<HostStream>, passwords: &[String]) -> Result<Kept, Failure> {
        let passwords: Vec<&str> = passwords.iter().map(String::as_str).collect();
        let user = User { name: &self.name, passwords: &passwords, prefix: &self.name, scripts: Scripts::Denied };
        Ok(redis::acl_set_user(session, &user)?)
    }

    fn try_it(&self, stream: HostStream) -> Result<(), Failure> {
        Ok(redis::login(stream, Some(&self.name), Some(&self.password))?.ping()?)
    }

    /// Whether the server lets in who has the addon's credentials.
    pub(crate) fn check(&self) -> HealthStatus {
        self.server.connect().and_then(|stream| self.try_it(stream.within(LOGIN_WAIT))).into()
    }

    /// Lets in by the newest password only. Whoever came by another has to come again.
    pub(crate) fn end_old(&self) -> Result<Progress, Failure> {
        let mut session = self.server.log_in()?;
        let kept = self.set(&mut session, std::slice::from_ref(&self.password))?;
        // No old one works any more; and whatever fails from then on, none is brought back by what is done to the addon later.
        self.generations.ended()?;
        redis::end_sessions(&mut session, &self.name)?;
        written_at_last(kept)?;
        Ok(Progress::Done)
    }

    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let Self { server, name, password, .. } = self;
        let (host, port) = docker::for_app(&server.host, server.port)?;
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

/// First the user, so that nobody makes new keys; then its keys. A user that would be back after a restart is not gone.
pub(crate) fn remove(addon: &Addon) -> Result<Progress, Failure> {
    let name = name_of(addon);
    let mut session = Server::of(addon)?.log_in()?;
    written_at_last(redis::acl_delete_user(&mut session, &name)?)?;
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

/// The same whenever the addon is called.
fn password(generation: u32) -> Result<String, Failure> {
    secrets::password("user", generation, 40)
}
