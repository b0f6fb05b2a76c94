//! MySQL: a MariaDB server of its own for each addon, in a container, or a user and a database on a server that many share. The
//! common server is a container too, or one that the operator has already, MySQL or MariaDB.
//!
//! All that is alike for databases is in [`larder_servers::database`], which is the place to begin. Here is what is special about
//! MySQL: its server in this file, how its administrator logs in in `session`, and what an app gets on it in `tenant`.

mod image;
mod session;
mod tenant;
mod transfer;

use std::ops::RangeInclusive;

use larder_clients::Tls;
use larder_sdk::docker::Container;
use larder_sdk::{Addon, Config, Failure, Role, Service};
use larder_servers::Image;
use larder_servers::database::{Database, Databases, Kind, Server, Size};

use tenant::Tenant;

const DATA: &str = "/var/lib/mysql";

/// The longest statement, and so the longest row, in MiB. A server has one about five times in memory when it runs it, beside what it keeps
/// of its data; so the smallest takes less than others.
const PACKETS_MIB: RangeInclusive<u64> = 24..=256;

struct Mysql;

impl Database for Mysql {
    const KIND: &'static Kind = &Kind {
        version: env!("CARGO_PKG_VERSION"),
        about: "MySQL databases",
        server: "MariaDB",
        image: Image { usual: "mariadb:10.11", of: "MariaDB 10.6 or newer" },
        release_numbers: 2,
        sizes: &[
            Size { name: "small", memory_mib: 320, kept_mib: 64, connections: 20 },
            Size { name: "medium", memory_mib: 1024, kept_mib: 384, connections: 50 },
            Size { name: "large", memory_mib: 4096, kept_mib: 2048, connections: 100 },
        ],
        own_pids: 64,
        data: DATA,
        protocol: "mysql",
        port: 3306,
        // MySQL is told new passwords as they are.
        tls: Tls::Require,
        admin: "root",
        admin_database: None,
        rights: "A user who may do all, GRANT OPTION included",
    };

    fn service() -> Service {
        let service = Service::new("mysql", "A relational database, MySQL or MariaDB");
        service.tag("mariadb").tag("sql").variable("DATABASE_URL")
    }

    fn check_image(image: &str) -> Result<(), String> {
        image::check(image)
    }

    fn container(container: Container, size: &Size, role: Role, password: &str) -> Container {
        let words = [
            format!("--max-connections={}", size.connections_of(role)),
            format!("--innodb-buffer-pool-size={}M", size.kept_mib),
            format!("--max-allowed-packet={}M", packet_mib(size.memory_mib)),
            "--character-set-server=utf8mb4".to_owned(),
            "--skip-name-resolve".to_owned(),
            // What doesn't fit in memory is sorted here: a tmpfs would be memory again.
            format!("--tmpdir={DATA}"),
        ];
        container
            .command(words)
            .user("999:999")
            .env("MARIADB_ROOT_PASSWORD", password)
            .tmpfs("/tmp", 16)
            .tmpfs("/run/mysqld", 1)
            .stop_s(30)
    }

    fn administer(server: &Server) -> Result<(), Failure> {
        session::administer(server).map(drop)
    }

    fn make(addon: &Addon, server: &Server, _: bool) -> Result<(), Failure> {
        Tenant::of(addon)?.make(server)
    }

    fn config(addon: &Addon, server: &Server) -> Result<Config, Failure> {
        Tenant::of(addon)?.config(server)
    }

    fn check(addon: &Addon, server: &Server) -> Result<(), Failure> {
        Tenant::of(addon)?.check(server)
    }

    fn shut(addon: &Addon, server: &Server, generation: u32) -> Result<(), Failure> {
        tenant::shut(addon, server, generation)
    }

    fn end(addon: &Addon, server: &Server, generation: u32) -> Result<(), Failure> {
        tenant::end(addon, server, generation)
    }

    fn remove(addon: &Addon, server: &Server) -> Result<(), Failure> {
        tenant::remove(addon, server)
    }
}

fn packet_mib(memory_mib: u64) -> u64 {
    (memory_mib / 16).clamp(*PACKETS_MIB.start(), *PACKETS_MIB.end())
}

type Provider = Databases<Mysql>;
larder_sdk::export!(Provider: update, rotation, transfer, health);
