//! A server in a container, with its data in a volume.

use larder_sdk::docker::{self, Container, Endpoint, NotRunning, Volume};
use larder_sdk::{Addon, Failure, secrets};

use crate::offer::{self, Settings};

/// Who administers a server of ours.
pub(crate) const ADMIN: &str = "postgres";

const SERVER: &str = "server";
const DATA: &str = "data";
const PORT: u16 = 5432;

pub(crate) fn begin(addon: &Addon) -> Result<String, Failure> {
    let settings: Settings = secrets::options()?;
    let size = offer::size(addon)?;
    let settings_of_postgres = [
        format!("max_connections={}", size.connections_of(addon.role())),
        format!("shared_buffers={}MB", size.memory_mib / 4),
        format!("effective_cache_size={}MB", size.memory_mib * 3 / 4),
        // It has one CPU.
        "max_parallel_workers_per_gather=0".to_owned(),
    ];
    let words = settings_of_postgres.iter().flat_map(|setting| ["-c", setting.as_str()]);
    docker::ensure(Volume::new(DATA))?;
    docker::ensure(
        Container::new(SERVER, &settings.image)
            .command(["postgres"].into_iter().chain(words))
            .user("999:999")
            .memory_mib(size.memory_mib)
            .pids(size.pids_of(addon.role()))
            .env("POSTGRES_USER", ADMIN)
            .env("POSTGRES_PASSWORD", &password()?)
            .mount(DATA, "/var/lib/postgresql/data")
            // The mount itself may hold what is not the server's, such as `lost+found`.
            .env("PGDATA", "/var/lib/postgresql/data/pgdata")
            .tmpfs("/tmp", 16)
            .tmpfs("/run/postgresql", 1)
            .read_only()
            .port(PORT)
            .stop_s(30),
    )?;
    Ok("A PostgreSQL server is being started".to_owned())
}

/// The administrator's password.
pub(crate) fn password() -> Result<String, Failure> {
    secrets::password("server", 0, 40)
}

/// Where the server can be reached, once it runs.
pub(crate) fn endpoint() -> Result<Endpoint, NotRunning> {
    docker::inspect(SERVER)?.endpoint(PORT)
}
