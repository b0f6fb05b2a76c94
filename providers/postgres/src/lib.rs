//! PostgreSQL: a server of its own for each addon, in a container, or a role and a database on a server that many share. The
//! common server is a container too, or one that the operator has already.
//!
//! All that is alike for databases is in [`larder_servers::database`], which is the place to begin. Here is what is special about
//! PostgreSQL: its server in this file, how its administrator logs in in `session`, and what an app gets on it in `tenant`.

mod image;
mod session;
mod tenant;
mod transfer;

use larder_clients::Tls;
use larder_sdk::docker::Container;
use larder_sdk::{Addon, Config, Failure, Plan, Role, Service, json};
use larder_servers::Image;
use larder_servers::database::{Database, Databases, Kind, Server, Size};

use tenant::{By, Tenant};

const ADMIN: &str = "postgres";

/// How a server's data are made. Whoever is within needs a password as well: what an app has imported is run there. And text is sorted by
/// code points: indexes that follow a language's order are wrong once the image comes with another C library.
const FIRST_START: &str = "--auth-host=scram-sha-256 --auth-local=scram-sha-256 --locale=C.UTF-8 --encoding=UTF8";

struct Postgres;

impl Database for Postgres {
    const KIND: &'static Kind = &Kind {
        version: env!("CARGO_PKG_VERSION"),
        about: "PostgreSQL databases",
        server: "PostgreSQL",
        image: Image { usual: "postgres:16", of: "PostgreSQL 14 to 17 on Debian" },
        release_numbers: 1,
        sizes: &[
            Size { name: "small", memory_mib: 256, kept_mib: 64, connections: 20 },
            Size { name: "medium", memory_mib: 1024, kept_mib: 256, connections: 50 },
            Size { name: "large", memory_mib: 4096, kept_mib: 1024, connections: 100 },
        ],
        own_pids: 32,
        data: "/var/lib/postgresql/data",
        protocol: "postgresql",
        port: 5432,
        // It proves its passwords, and is told what proves the new ones.
        tls: Tls::Prefer,
        admin: ADMIN,
        admin_database: Some("postgres"),
        rights: "A role with CREATEROLE and CREATEDB",
    };

    fn service() -> Service {
        let service = Service::new("postgres", "A relational database, PostgreSQL");
        service.tag("postgresql").tag("sql").variable("DATABASE_URL")
    }

    fn plan(plan: Plan) -> Plan {
        plan.parameters(json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "extensions": {
                    "description": "Extensions of PostgreSQL's in the database, such as citext",
                    "type": "array",
                    "maxItems": 16,
                    "uniqueItems": true,
                    "items": { "type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$" }
                }
            }
        }))
    }

    fn check_image(image: &str) -> Result<(), String> {
        image::check(image)
    }

    fn container(container: Container, size: &Size, role: Role, password: &str) -> Container {
        let settings = [
            format!("max_connections={}", size.connections_of(role)),
            format!("shared_buffers={}MB", size.kept_mib),
            format!("effective_cache_size={}MB", size.memory_mib * 3 / 4),
            // It has one CPU, and little memory that workers could share.
            "max_parallel_workers_per_gather=0".to_owned(),
            "max_parallel_maintenance_workers=0".to_owned(),
        ];
        container
            .command(["postgres"].into_iter().chain(settings.iter().flat_map(|setting| ["-c", setting.as_str()])))
            .user("999:999")
            .env("POSTGRES_USER", ADMIN)
            .env("POSTGRES_PASSWORD", password)
            .env("POSTGRES_INITDB_ARGS", FIRST_START)
            // The mount itself may hold what is not the server's, such as `lost+found`.
            .env("PGDATA", "/var/lib/postgresql/data/pgdata")
            .tmpfs("/tmp", 16)
            .tmpfs("/run/postgresql", 1)
            .stop_s(30)
    }

    fn administer(server: &Server) -> Result<(), Failure> {
        session::administer(server, &server.database).map(drop)
    }

    fn make(addon: &Addon, server: &Server, is_new: bool) -> Result<(), Failure> {
        Tenant::of(addon)?.make(server, &By::of(addon, is_new))
    }

    fn config(addon: &Addon, server: &Server) -> Result<Config, Failure> {
        Tenant::of(addon)?.config(server)
    }

    fn check(addon: &Addon, server: &Server) -> Result<(), Failure> {
        Tenant::of(addon)?.check(server)
    }

    fn shut(addon: &Addon, server: &Server, generation: u32) -> Result<(), Failure> {
        tenant::shut(addon, server, generation).map(drop)
    }

    fn end(addon: &Addon, server: &Server, generation: u32) -> Result<(), Failure> {
        tenant::end(addon, server, generation)
    }

    fn remove(addon: &Addon, server: &Server) -> Result<(), Failure> {
        tenant::remove(addon, server)
    }
}

type Provider = Databases<Postgres>;
larder_sdk::export!(Provider: update, rotation, transfer, health);
