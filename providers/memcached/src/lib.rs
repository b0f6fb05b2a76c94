//! memcached: a server of its own for each addon, in a container.
//!
//! The smallest provider with something on an engine: say what is to be there, ask whether it answers, tell where it is. There are no
//! common servers: memcached has neither users nor passwords, so its apps would read each other's data. For the same reason, whoever
//! can reach the server can use it.

mod offer;

use std::net::TcpStream;
use std::time::Duration;

use larder_clients::memcached;
use larder_sdk::docker::{self, Container, Endpoint};
use larder_sdk::{Addon, Config, Failure, Manifest, Options, Progress, Provider};
use larder_servers::{Size as _, soon};

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
        let size = Size::of(addon)?;
        let items_mib = size.items_mib.to_string();
        let container = Container::new(SERVER, &IMAGE.now()?)
            .user("11211:11211")
            .command(["memcached", "-m", &items_mib])
            .memory_mib(size.memory_mib())
            .pids(size.pids())
            .read_only()
            .port(PORT);
        docker::ensure(container)?;
        Ok("A memcached server is being started".to_owned())
    }

    fn provision_complete(_addon: &Addon) -> Result<Progress, Failure> {
        let endpoint = match docker::inspect(SERVER)?.endpoint(PORT) {
            Ok(endpoint) => endpoint,
            Err(why) => return why.into_progress(),
        };
        soon(TRIES, PAUSE, || Ok(answers(&endpoint)))
    }

    fn get_config(_addon: &Addon) -> Result<Config, Failure> {
        let Endpoint { host, published, .. } = docker::inspect(SERVER)?.endpoint(PORT)?;
        let url = format!("memcached://{host}:{published}");
        Ok(Config::new()
            .variable("MEMCACHED_URL", &url)
            .credential("uri", url)
            .credential("protocol", "memcached")
            .credential("hostname", host)
            .credential("port", published.to_string()))
    }

    // There is nothing to deprovision: the host removes the container.
}

fn answers(endpoint: &Endpoint) -> bool {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.published));
    stream.is_ok_and(|stream| memcached::version(stream).is_ok())
}

larder_sdk::export!(Memcached);
