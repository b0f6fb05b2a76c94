//! A server in a container, with its data in a volume.
//!
//! Who may log in is in a file beside the data, and not in the container's words: a password that comes or goes then takes no other
//! container, and what was written there is still so after a restart.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use larder_clients::redis::{self, Kept, Session};
use larder_sdk::docker::{self, Container, Endpoint, Volume};
use larder_sdk::{Addon, Config, Failure, HealthStatus, Progress, secrets};
use larder_servers::{Generations, Size as _, soon};

use crate::offer::{IMAGE, Parameters, Size};

const SERVER: &str = "server";
const DATA: &str = "data";
const PORT: u16 = 6379;
/// Who uses a server, or administers a common one.
const USER: &str = "default";
/// The file must be there before the first start. From then on it is the server's own.
const WITH_USERS: &str = "umask 077; \
    test -s /data/users.acl || printf 'user default on >%s ~* &* +@all\\n' \"$PASSWORD\" > /data/users.acl; \
    exec redis-server --protected-mode no --aclfile /data/users.acl \"$@\"";
/// How long it has to write its data when it is stopped, in seconds.
const STOP_S: u32 = 30;
/// How often a server that has just started is tried within one call, and how long that pauses. It takes it a few of these.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(5);

/// A server, as its addon has it.
pub(crate) struct Server {
    container: Container,
    generations: Generations,
}

impl Server {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        let parameters: Parameters = addon.parameters()?;
        let size = Size::of(addon)?;
        let settings_of_redis = [
            ("--maxmemory", format!("{}mb", size.data_mib)),
            ("--maxmemory-policy", parameters.eviction().to_owned()),
            ("--appendonly", if parameters.persists() { "yes" } else { "no" }.to_owned()),
            ("--dir", "/data".to_owned()),
        ];
        let container = Container::new(SERVER, &IMAGE.now()?)
            .entrypoint(["sh", "-c", WITH_USERS, "redis"])
            .command(settings_of_redis.iter().flat_map(|(name, value)| [*name, value.as_str()]))
            // For the first start. Later ones must not differ, or each rotation would stop the server.
            .env("PASSWORD", &password(0)?)
            .user("999:999")
            .memory_mib(size.memory_mib())
            .pids(size.pids())
            .mount(DATA, "/data")
            .tmpfs("/tmp", 16)
            .read_only()
            .stop_s(STOP_S)
            .port(PORT);
        Ok(Self { container, generations: Generations::of(addon)? })
    }

    /// That of the newest generation.
    pub(crate) fn newest_password(&self) -> Result<String, Failure> {
        password(*self.generations.living().end())
    }

    /// Has the container made, or made anew if it differs. Its data stay.
    pub(crate) fn ensure(self) -> Result<(), Failure> {
        docker::ensure(Volume::new(DATA))?;
        Ok(docker::ensure(self.container)?)
    }

    /// Ready is who has answered a login by the newest password.
    pub(crate) fn complete(&self) -> Result<Progress, Failure> {
        let endpoint = match docker::inspect(SERVER)?.endpoint(PORT) {
            Ok(endpoint) => endpoint,
            Err(why) => return why.into_progress(),
        };
        soon(TRIES, PAUSE, || match log_in(&endpoint, &self.newest_password()?) {
            Ok(_) => Ok(true),
            Err(_) => self.let_in(&endpoint),
        })
    }

    /// Lets in by all passwords that are to work, if an older one of them still does.
    fn let_in(&self, endpoint: &Endpoint) -> Result<bool, Failure> {
        let living = self.generations.living().map(password).collect::<Result<Vec<_>, _>>()?;
        let older = living.iter().rev().skip(1).find_map(|password| log_in(endpoint, password).ok());
        let Some(mut session) = older else { return Ok(false) };
        set_passwords(&mut session, &living)?;
        Ok(true)
    }

    /// Lets in by the newest password only. Whoever came by another has to come again.
    pub(crate) fn end_old(&self) -> Result<Progress, Failure> {
        let endpoint = match docker::inspect(SERVER)?.endpoint(PORT) {
            Ok(endpoint) => endpoint,
            Err(why) => return Ok(why.into_patience()),
        };
        let newest = password(*self.generations.living().end())?;
        let mut session = log_in(&endpoint, &newest)?;
        set_passwords(&mut session, &[newest])?;
        redis::end_sessions(&mut session, USER)?;
        self.generations.ended()?;
        Ok(Progress::Done)
    }

    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let password = password(*self.generations.living().end())?;
        let Endpoint { host, published, .. } = docker::inspect(SERVER)?.endpoint(PORT)?;
        let url = format!("redis://:{password}@{host}:{published}/0");
        Ok(Config::new()
            .secret("REDIS_URL", &url)
            .secret_credential("uri", url)
            .credential("protocol", "redis")
            .credential("hostname", host)
            .credential("port", published.to_string())
            .secret_credential("password", password))
    }
}

/// Whether it lets in who has the addon's credentials.
pub(crate) fn check(addon: &Addon) -> Result<HealthStatus, Failure> {
    let endpoint = match docker::inspect(SERVER)?.endpoint(PORT) {
        Ok(endpoint) => endpoint,
        Err(why) => return why.into_health(),
    };
    Ok(log_in(&endpoint, &password(addon.generation())?).map(drop).into())
}

/// Logs in to the addon's own server, which must run.
pub(crate) fn session(addon: &Addon) -> Result<Session<TcpStream>, Failure> {
    let endpoint = docker::inspect(SERVER)?.endpoint(PORT)?;
    Ok(log_in(&endpoint, &password(addon.generation())?)?)
}

fn log_in(endpoint: &Endpoint, password: &str) -> Result<Session<TcpStream>, larder_clients::Error> {
    redis::login(connect(&endpoint.host, endpoint.published)?, None, Some(password))
}

fn set_passwords(session: &mut Session<TcpStream>, passwords: &[String]) -> Result<(), Failure> {
    let passwords: Vec<&str> = passwords.iter().map(String::as_str).collect();
    match redis::set_passwords(session, USER, &passwords)? {
        Kept::OnDisk => Ok(()),
        Kept::InMemory => {
            Err(Failure::failed("the server has no file for its users: they would not outlive a restart"))
        }
    }
}

/// The same whenever the addon is called.
fn password(generation: u32) -> Result<String, Failure> {
    secrets::password("server", generation, 40)
}

/// Connects to a name, or to an address, which has brackets if it is one of IPv6.
pub(crate) fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    TcpStream::connect((host.trim_matches(['[', ']']), port))
}
