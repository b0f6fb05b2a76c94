//! Exports by `mariadb-dump`, imports by `mariadb`; images of MySQL have them by their older names.

use larder_clients::Tls;
use larder_sdk::docker::Container;
use larder_sdk::{Addon, Failure};
use larder_servers::database::{AUTHORITY, Dump, Target};

use crate::Mysql;
use crate::tenant::Tenant;

/// A snapshot of tables, views, triggers and routines. The password is in `MYSQL_PWD`.
const EXPORT: &str = "set -o pipefail; \"$(command -v mariadb-dump || command -v mysqldump)\" --protocol=tcp --host=\"$SERVER\" \
    --port=\"$PORT\" --user=\"$LOGIN\" $TLS --single-transaction --quick --no-tablespaces --routines --triggers --hex-blob \
    --default-character-set=utf8mb4 \"$DATABASE\" | sed \"$WITHOUT_DEFINERS\"";
const IMPORT: &str = "set -o pipefail; sed \"$WITHOUT_DEFINERS\" | \"$(command -v mariadb || command -v mysql)\" --protocol=tcp \
    --host=\"$SERVER\" --port=\"$PORT\" --user=\"$LOGIN\" $TLS --batch --default-character-set=utf8mb4 \"$DATABASE\"";
/// Leaves out by whose rights something runs: those of whoever imports it, who may name no other. Dumps say it at the beginning of a
/// line, where no data are.
const WITHOUT_DEFINERS: &str = r"
    s/^\/\*!50013 DEFINER=`[^`]*`@`[^`]*` /\/*!50013 /
    s/^\(\/\*!50003 CREATE\*\/\) \/\*!50017 DEFINER=`[^`]*`@`[^`]*`\*\//\1/
    s/^\(\/\*!50106 CREATE\*\/\) \/\*!50117 DEFINER=`[^`]*`@`[^`]*`\*\//\1/
    s/^CREATE DEFINER=`[^`]*`@`[^`]*` /CREATE /";

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
    // Newer clients check certificates unless told otherwise, by authorities that they have none of.
    let tls = match (target.tls, &target.authority) {
        (Some(Tls::Off), _) => "--skip-ssl".to_owned(),
        (Some(_), Some(_)) => format!("--ssl --ssl-ca={AUTHORITY} --ssl-verify-server-cert"),
        (Some(Tls::Require), None) => "--ssl --skip-ssl-verify-server-cert".to_owned(),
        (Some(Tls::Prefer), None) => "--skip-ssl-verify-server-cert".to_owned(),
        (None, _) => String::new(),
    };
    target
        .run(container, &["bash", "-c", script])
        .env("SERVER", &target.host)
        .env("PORT", &target.port.to_string())
        .env("LOGIN", &target.user)
        .env("MYSQL_PWD", &target.password)
        .env("DATABASE", &target.database)
        .env("TLS", &tls)
        .env("WITHOUT_DEFINERS", WITHOUT_DEFINERS)
        // What isn't text in its encoding is passed on as it is.
        .env("LC_ALL", "C")
}
