//! Exports by `pg_dump`, imports by `psql`.

use larder_clients::Tls;
use larder_sdk::docker::Container;
use larder_sdk::{Addon, Failure};
use larder_servers::database::{Dump, Target};

use crate::Postgres;
use crate::tenant::Tenant;

impl Dump for Postgres {
    fn login(addon: &Addon) -> Result<(String, String, String), Failure> {
        Ok(Tenant::of(addon)?.login())
    }

    /// Nothing in it names a role of this addon, so that another one can take it in; what is there of the same name is replaced. An
    /// extension belongs to the server's administrator: a database with some can neither drop nor comment on it.
    fn export(addon: &Addon, container: Container, target: &Target) -> Result<Container, Failure> {
        let has_extensions = Tenant::of(addon)?.has_extensions();
        let how: &[&str] = if has_extensions { &["--no-comments"] } else { &["--clean", "--if-exists"] };
        let words = ["--no-owner", "--no-privileges", "--no-password"].iter().chain(how).copied();
        Ok(client(container.entrypoint(["pg_dump"]).command(words), target))
    }

    fn import(container: Container, target: &Target) -> Container {
        let words =
            ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--single-transaction", "--file=-"];
        client(container.entrypoint(["psql"]).command(words), target)
    }
}

fn client(container: Container, target: &Target) -> Container {
    let mode = match target.tls {
        None | Some(Tls::Off) => "disable",
        Some(Tls::Prefer) => "prefer",
        Some(Tls::Require) => "require",
    };
    container
        .env("PGHOST", &target.host)
        .env("PGPORT", &target.port.to_string())
        .env("PGUSER", &target.user)
        .env("PGPASSWORD", &target.password)
        .env("PGDATABASE", &target.database)
        .env("PGSSLMODE", mode)
}
