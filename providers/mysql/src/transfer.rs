//! Exports by `mariadb-dump`, imports by `mariadb`; images of MySQL have them by their older names.

use larder_clients::Tls;
use larder_sdk::docker::Container;
use larder_sdk::{Addon, Failure};
use larder_servers::database::{AUTHORITY, Dump, Target};

use crate::Mysql;
use crate::tenant::Tenant;

/// How both programs log in. The password is in `MYSQL_PWD`. The program bounds no statement: the server does.
const LOGIN: &str = r#"
    set -o pipefail
    login=(--protocol=tcp --host="$SERVER" --port="$PORT" --user="$LOGIN" $TLS --default-character-set=utf8mb4)
    client=("$(command -v mariadb || command -v mysql)" "${login[@]}" --max-allowed-packet=1G --batch)
"#;
/// A snapshot of tables, views, triggers and routines. A row is twice as long in a statement, at most: one for which the server would
/// then have no room is not exported, or an import would have dropped the table when it finds out.
const EXPORT: &str = r#"
    most=$("${client[@]}" --skip-column-names --execute='SELECT greatest(@@max_allowed_packet, 262144) DIV 2 - 65536') || exit
    dump() {
        "$(command -v mariadb-dump || command -v mysqldump)" "${login[@]}" --max-allowed-packet="$most" --single-transaction --quick \
            --no-tablespaces --routines --triggers --hex-blob "$DATABASE" && return
        echo "(rows of more than $most bytes are not exported: that is half of the server's max_allowed_packet)" >&2
        return 1
    }
    dump | sed "$WITHOUT_DEFINERS""#;
const IMPORT: &str = r#"sed "$WITHOUT_DEFINERS" | "${client[@]}" "$DATABASE""#;
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
        .run(container, &["bash", "-c", &[LOGIN, script].concat()])
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
