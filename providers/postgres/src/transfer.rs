//! Exports by `pg_dump`, imports by `psql`.

use larder_clients::Tls;
use larder_sdk::docker::Container;
use larder_sdk::{Addon, Failure};
use larder_servers::database::{AUTHORITY, Dump, Target};

use crate::Postgres;
use crate::tenant::Tenant;

/// `psql` does this between the first and the last one, in one session.
const BEGIN: &str = "--command=BEGIN";
/// Can't be done within a transaction: so this fails, and all before it is undone, if the end has not been reached, be it that the data
/// broke off or that they have an open end themselves.
const IS_OVER: &str = "--command=DISCARD ALL";

impl Dump for Postgres {
    const END: &'static str = "\nCOMMIT;\n";

    fn login(addon: &Addon) -> Result<(String, String, String), Failure> {
        Ok(Tenant::of(addon)?.login())
    }

    /// Nothing in it names a role of this addon, so that another one can take it in; what is there of the same name is replaced. An
    /// extension belongs to the server's administrator: a database with some can neither drop nor comment on it.
    fn export(addon: &Addon, container: Container, target: &Target) -> Result<Container, Failure> {
        let has_extensions = Tenant::of(addon)?.has_extensions();
        let how: &[&str] = if has_extensions { &["--no-comments"] } else { &["--clean", "--if-exists"] };
        let words = ["--no-owner", "--no-privileges", "--no-password"].iter().chain(how).copied();
        Ok(client(container.command(words), "pg_dump", target))
    }

    fn import(container: Container, target: &Target) -> Container {
        let words = ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", BEGIN, "--file=-", IS_OVER];
        client(container.command(words), "psql", target)
    }
}

fn client(container: Container, program: &str, target: &Target) -> Container {
    let mode = match (target.tls, &target.authority) {
        (None | Some(Tls::Off), _) => "disable",
        (Some(_), Some(_)) => "verify-full",
        (Some(Tls::Prefer), None) => "prefer",
        (Some(Tls::Require), None) => "require",
    };
    target
        .run(container, &[program])
        .env("PGHOST", &target.host)
        .env("PGPORT", &target.port.to_string())
        .env("PGUSER", &target.user)
        .env("PGPASSWORD", &target.password)
        .env("PGDATABASE", &target.database)
        .env("PGSSLMODE", mode)
        .env("PGSSLROOTCERT", AUTHORITY)
}

#[cfg(test)]
mod tests {
    use larder_sdk::docker::Object as _;
    use larder_sdk::json;

    use super::*;

    #[test]
    fn the_server_has_to_prove_who_it_is_where_an_authority_is_known() {
        let document = |tls: Tls, authority: Option<&str>| {
            let [host, user, password, database] = ["db.internal", "u", "p", "d"].map(str::to_owned);
            let authority = authority.map(str::to_owned);
            let target = Target { host, port: 1, tls: Some(tls), authority, user, password, database };
            Postgres::import(Container::new("transfer", "postgres:16"), &target).document()
        };
        for (tls, authority, mode) in [
            (Tls::Off, Some("PEM"), "disable"),
            (Tls::Prefer, None, "prefer"),
            (Tls::Require, None, "require"),
            (Tls::Prefer, Some("PEM"), "verify-full"),
            (Tls::Require, Some("PEM"), "verify-full"),
        ] {
            assert_eq!(document(tls, authority)["env"]["PGSSLMODE"], mode);
        }
        assert_eq!(document(Tls::Require, None)["entrypoint"], json!(["psql"]));
        let proven = document(Tls::Require, Some("PEM"));
        assert_eq!((&proven["entrypoint"][0], &proven["entrypoint"][3]), (&json!("sh"), &json!("psql")));
        assert_eq!(proven["env"]["AUTHORITY"], "PEM");
    }
}
