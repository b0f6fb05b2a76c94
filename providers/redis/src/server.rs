//! A server in a container, with its data in a volume.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use larder_clients::redis;
use larder_sdk::docker::{self, Container, Endpoint, Volume};
use larder_sdk::{Addon, Config, Failure, Progress, Role, secrets};
use larder_servers::{Size as _, soon};

use crate::offer::{IMAGE, Parameters, Size};

const SERVER: &str = "server";
const DATA: &str = "data";
const PORT: u16 = 6379;
/// Users of a common server outlive its restart in a file, which must be there before the first start, and then holds the
/// administrator's password too.
const WITH_USERS: &str = "umask 077; \
    test -s /data/users.acl || printf 'user default on >%s ~* &* +@all\\n' \"$PASSWORD\" > /data/users.acl; \
    exec redis-server --protected-mode no --aclfile /data/users.acl \"$@\"";
/// How often a server that has just started is tried within one call, and how long that pauses. It takes it a few of these.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(5);

/// A server, as its addon has it.
pub(crate) struct Server {
    container: Container,
    pub(crate) password: String,
}

impl Server {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        let parameters: Parameters = addon.parameters()?;
        let size = Size::of(addon)?;
        let password = secrets::password("server", 0, 40)?;
        let settings_of_redis = [
            ("--maxmemory", format!("{}mb", size.data_mib)),
            ("--maxmemory-policy", parameters.eviction.unwrap_or_else(|| "noeviction".to_owned())),
            ("--appendonly", if parameters.persistence.unwrap_or(true) { "yes" } else { "no" }.to_owned()),
            ("--dir", "/data".to_owned()),
        ];
        let words = settings_of_redis.iter().flat_map(|(name, value)| [*name, value.as_str()]);
        let container = Container::new(SERVER, &IMAGE.now()?)
            .user("999:999")
            .memory_mib(size.memory_mib())
            .pids(size.pids())
            .mount(DATA, "/data")
            .tmpfs("/tmp", 16)
            .read_only()
            .port(PORT);
        let container = match addon.role() {
            Role::Server => {
                container.entrypoint(["sh", "-c", WITH_USERS, "redis"]).env("PASSWORD", &password).command(words)
            }
            Role::User => container.command(["redis-server", "--requirepass", &password].into_iter().chain(words)),
        };
        Ok(Self { container, password })
    }

    pub(crate) fn begin(self) -> Result<String, Failure> {
        docker::ensure(Volume::new(DATA))?;
        docker::ensure(self.container)?;
        Ok("A Redis server is being started".to_owned())
    }

    /// Ready is who has answered a login.
    pub(crate) fn complete(&self) -> Result<Progress, Failure> {
        let endpoint = match docker::inspect(SERVER)?.endpoint(PORT) {
            Ok(endpoint) => endpoint,
            Err(why) => return why.into_progress(),
        };
        soon(TRIES, PAUSE, || Ok(self.answers(&endpoint)))
    }

    fn answers(&self, endpoint: &Endpoint) -> bool {
        let Ok(stream) = connect(&endpoint.host, endpoint.published) else { return false };
        redis::login(stream, None, Some(&self.password)).is_ok_and(|mut session| session.ping().is_ok())
    }

    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let Endpoint { host, published, .. } = docker::inspect(SERVER)?.endpoint(PORT)?;
        let url = format!("redis://:{}@{host}:{published}/0", self.password);
        Ok(Config::new()
            .secret("REDIS_URL", &url)
            .secret_credential("uri", url)
            .credential("protocol", "redis")
            .credential("hostname", host)
            .credential("port", published.to_string())
            .secret_credential("password", &self.password))
    }
}

/// Connects to a name, or to an address, which has brackets if it is one of IPv6.
pub(crate) fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    TcpStream::connect((host.trim_matches(['[', ']']), port))
}
