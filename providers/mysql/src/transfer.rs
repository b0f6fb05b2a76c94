//! Exports by `mariadb-dump`, imports by `mariadb`; images of MySQL have them by their older names.

use larder_clients::Tls;
use larder_sdk::docker::Container;
use larder_sdk::{Addon, Failure};
use larder_servers::database::{Dump, Target};

use crate::Mysql;
use crate::tenant::Tenant;

/// A snapshot of tables, views, triggers and routines. The password is in `MYSQL_PWD`.
const EXPORT: &str = "exec \"$(command -v mariadb-dump || command -v mysqldump)\" --protocol=tcp --host=\"$SERVER\" \
    --port=\"$PORT\" --user=\"$LOGIN\" $TLS --single-transaction --quick --no-tablespaces --routines --triggers --hex-blob \
    --default-character-set=utf8mb4 \"$DATABASE\"";
const IMPORT: &str = "exec \"$(command -v mariadb || command -v mysql)\" --protocol=tcp --host=\"$SERVER\" --port=\"$PORT\" \
    --user=\"$LOGIN\" $TLS --batch --default-character-set=utf8mb4 \"$DATABASE\"";

impl Dump for Mysql {
    fn login(addon: &Addon) -> Result<(String, String, String), Failure> {
        Ok(Tenant::of(addon)?.login())
    }

    fn export(_addon: &Addon, container: Container, target: &Target) -> Result<Container, Failure> {
        Ok(client(container, EXPORT, target))
    }

    fn import(container: Container, target: &Target) -> Container {
        client(container, IMPORT, target)
    }
}

fn client(container: Container, script: &str, target: &Target) -> Container {
    let tls = match target.tls {
        Some(Tls::Require) => "--ssl",
        Some(Tls::Off) => "--skip-ssl",
        Some(Tls::Prefer) | None => "",
    };
    container
        .entrypoint(["sh", "-c", script])
        .env("SERVER", &target.host)
        .env("PORT", &target.port.to_string())
        .env("LOGIN", &target.user)
        .env("MYSQL_PWD", &target.password)
        .env("DATABASE", &target.database)
        .env("TLS", tls)
}
