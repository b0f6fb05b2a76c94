//! A server in a container, with its data in a volume.

use larder_sdk::docker::{self, Container, Endpoint, NotRunning, Volume};
use larder_sdk::{Addon, Failure, secrets};

use crate::offer::{self, Settings};

/// Who administers a server of ours.
pub(crate) const ADMIN: &str = "root";

const SERVER: &str = "server";
const DATA: &str = "data";
const PLACE_OF_DATA: &str = "/var/lib/mysql";
const PORT: u16 = 3306;

pub(crate) fn begin(addon: &Addon) -> Result<String, Failure> {
    let settings: Settings = secrets::options()?;
    let size = offer::size(addon)?;
    let words = [
        format!("--max-connections={}", size.connections_of(addon.role())),
        format!("--innodb-buffer-pool-size={}M", size.pool_mib),
        "--character-set-server=utf8mb4".to_owned(),
        "--skip-name-resolve".to_owned(),
        // What doesn't fit in memory is sorted here: a tmpfs would be memory again.
        format!("--tmpdir={PLACE_OF_DATA}"),
    ];
    docker::ensure(Volume::new(DATA))?;
    docker::ensure(
        Container::new(SERVER, &settings.image)
            .command(words)
            .user("999:999")
            .memory_mib(size.memory_mib)
            .pids(size.pids_of(addon.role()))
            .env("MARIADB_ROOT_PASSWORD", &password()?)
            .mount(DATA, PLACE_OF_DATA)
            .tmpfs("/tmp", 16)
            .tmpfs("/run/mysqld", 1)
            .read_only()
            .port(PORT)
            .stop_s(30),
    )?;
    Ok("A MariaDB server is being started".to_owned())
}

/// The administrator's password.
pub(crate) fn password() -> Result<String, Failure> {
    secrets::password("server", 0, 40)
}

/// Where the server can be reached, once it runs.
pub(crate) fn endpoint() -> Result<Endpoint, NotRunning> {
    docker::inspect(SERVER)?.endpoint(PORT)
}
