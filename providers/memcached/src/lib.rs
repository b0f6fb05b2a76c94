//! memcached: a server of its own for each addon, in a container.
//!
//! The smallest provider with something on an engine: say what is to be there, ask whether it answers, tell where it is. There are no
//! common servers: memcached has neither users nor passwords, so its apps would read each other's data. For the same reason, whoever
//! can reach the server can use it.

mod offer;

use std::io;
use std::time::Duration;

use larder_clients::{Error, HostStream, memcached};
use larder_sdk::docker::{self, Container, Endpoint};
use larder_sdk::{Addon, Config, Failure, Health, HealthStatus, Manifest, Options, Progress, Provider, Update};
use larder_servers::{LOGIN_WAIT, Size as _, soon};

use offer::{IMAGE, Size};

const SERVER: &str = "server";
const PORT: u16 = 11211;
/// How often a server that has just started is tried within one call, and how long that pauses. It takes it one or two of these.
const TRIES: u32 = 12;
const PAUSE: Duration = Duration::from_millis(25);

struct Memcached;

impl Provider for Memcached {
    fn manifest(options: &Options) -> Result<Manifest, String> {
        offer::manifest(options)
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        ensure(addon)?;
        Ok("A memcached server is being started".to_owned())
    }

    fn provision_complete(_addon: &Addon) -> Result<Progress, Failure> {
        let endpoint = match docker::inspect(SERVER)?.endpoint(PORT) {
            Ok(endpoint) => endpoint,
            Err(why) => return why.into_progress(),
        };
        soon(TRIES, PAUSE, || Ok(ask(&endpoint).is_ok()))
    }

    fn get_config(_addon: &Addon) -> Result<Config, Failure> {
        let (host, port) = docker::inspect(SERVER)?.endpoint(PORT)?.for_app()?;
        let url = format!("memcached://{host}:{port}");
        Ok(Config::new()
            .variable("MEMCACHED_URL", &url)
            .credential("uri", url)
            .credential("protocol", "memcached")
            .credential("hostname", host)
            .credential("port", port.to_string()))
    }

    // There is nothing to deprovision: the host removes the container.
}

impl Update for Memcached {
    fn begin_update(addon: &Addon) -> Result<String, Failure> {
        ensure(addon)?;
        Ok("The memcached server is started anew, and is empty then: it keeps all in memory".to_owned())
    }
}

// There is no rotation: it has no passwords.

impl Health for Memcached {
    fn check_health(_addon: &Addon) -> Result<HealthStatus, Failure> {
        match docker::inspect(SERVER)?.endpoint(PORT) {
            Ok(endpoint) => Ok(ask(&endpoint).into()),
            Err(why) => why.into_health(),
        }
    }
}

/// The addon is to have a server of its size. One of another size is made anew.
fn ensure(addon: &Addon) -> Result<(), Failure> {
    let size = Size::of(addon)?;
    let items_mib = size.items_mib.to_string();
    let container = Container::new(SERVER, &IMAGE.now()?)
        .user("11211:11211")
        .command(["memcached", "-m", &items_mib])
        .memory_mib(size.memory_mib())
        .pids(size.pids())
        .read_only()
        .port(PORT);
    Ok(docker::ensure(container)?)
}

fn ask(endpoint: &Endpoint) -> Result<(), Error> {
    let stream = HostStream::connect(&endpoint.host, endpoint.published).map_err(io::Error::from)?;
    memcached::version(stream.within(LOGIN_WAIT)).map(drop)
}

larder_sdk::export!(Memcached: update, health);
