//! Exports by `mariadb-dump`, imports by `mariadb`; images of MySQL have them by their older names.

use larder_clients::Tls;
use larder_sdk::docker::Container;
use larder_sdk::{Addon, Failure};
use larder_servers::database::{AUTHORITY, Dump, Target};

use crate::Mysql;
use crate::tenant::Tenant;

/// Which programs there are, and how both log in. The password is in `MYSQL_PWD`. The client bounds no statement: the server does. MySQL's
/// own programs name the ways of TLS otherwise, and write out what only an administrator may take in again, unless told not to.
const LOGIN: &str = r#"
    set -o pipefail
    if dump=$(command -v mariadb-dump); then
        client=$(command -v mariadb) tls=$TLS own=
    else
        dump=$(command -v mysqldump) client=$(command -v mysql) tls=$TLS_OF_MYSQL own=--loose-set-gtid-purged=OFF
    fi
    login=(--protocol=tcp --host="$SERVER" --port="$PORT" --user="$LOGIN" $tls --default-character-set=utf8mb4)
    client=("$client" "${login[@]}" --max-allowed-packet=1G --batch)
"#;
/// A snapshot of tables, views, triggers and routines. A row is twice as long in a statement, at most: one for which the server would
/// then have no room is not exported, or an import would have dropped the table when it finds out.
const EXPORT: &str = r#"
    most=$("${client[@]}" --skip-column-names --execute='SELECT greatest(@@max_allowed_packet, 262144) DIV 2 - 65536') || exit
    dump() {
        "$dump" "${login[@]}" $own --max-allowed-packet="$most" --single-transaction --quick --no-tablespaces --routines --triggers \
            --hex-blob "$DATABASE" && return
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

/// How the connection is secured, as MariaDB's programs are told, and as MySQL's are.
fn tls(target: &Target) -> (String, String) {
    let (mariadb, mysql) = match (target.tls, &target.authority) {
        (Some(Tls::Off), _) => ("--skip-ssl", "--ssl-mode=DISABLED"),
        (Some(_), Some(_)) => {
            let file = format!("--ssl-ca={AUTHORITY}");
            return (format!("--ssl --ssl-verify-server-cert {file}"), format!("--ssl-mode=VERIFY_IDENTITY {file}"));
        }
        // Newer clients check certificates unless told otherwise, by authorities that they have none of.
        (Some(Tls::Require), None) => ("--ssl --skip-ssl-verify-server-cert", "--ssl-mode=REQUIRED"),
        (Some(Tls::Prefer), None) => ("--skip-ssl-verify-server-cert", "--ssl-mode=PREFERRED"),
        (None, _) => ("", ""),
    };
    (mariadb.to_owned(), mysql.to_owned())
}

fn client(container: Container, script: &str, target: &Target) -> Container {
    let (tls, tls_of_mysql) = tls(target);
    target
        .run(container, &["bash", "-c", &[LOGIN, script].concat()])
        .env("SERVER", &target.host)
        .env("PORT", &target.port.to_string())
        .env("LOGIN", &target.user)
        .env("MYSQL_PWD", &target.password)
        .env("DATABASE", &target.database)
        .env("TLS", &tls)
        .env("TLS_OF_MYSQL", &tls_of_mysql)
        .env("WITHOUT_DEFINERS", WITHOUT_DEFINERS)
        // What isn't text in its encoding is passed on as it is.
        .env("LC_ALL", "C")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use larder_sdk::docker::Object as _;
    use larder_sdk::json;

    use super::*;

    fn target(tls: Tls, authority: Option<&str>) -> Target {
        let [host, user, password, database] = ["db.internal", "u", "p", "d"].map(str::to_owned);
        Target { host, port: 1, tls: Some(tls), authority: authority.map(str::to_owned), user, password, database }
    }

    #[test]
    fn connections_are_secured_by_the_words_of_either_kind_of_client() {
        for (tls, authority, mariadb, mysql) in [
            (Tls::Off, Some("PEM"), "--skip-ssl", "DISABLED"),
            (Tls::Prefer, None, "--skip-ssl-verify-server-cert", "PREFERRED"),
            (Tls::Require, None, "--ssl --skip-ssl-verify-server-cert", "REQUIRED"),
            (
                Tls::Require,
                Some("PEM"),
                "--ssl --ssl-verify-server-cert --ssl-ca=/tmp/authority.pem",
                "VERIFY_IDENTITY --ssl-ca=/tmp/authority.pem",
            ),
        ] {
            let made = Mysql::import(Container::new("transfer", "mysql:8"), &target(tls, authority)).document();
            let mysql = format!("--ssl-mode={mysql}");
            assert_eq!((&made["env"]["TLS"], &made["env"]["TLS_OF_MYSQL"]), (&json!(mariadb), &json!(mysql)));
        }
    }

    /// What the script calls, in a folder that has these programs, each of which says how it was called.
    fn called(programs: &[&str], script: &str) -> (bool, String) {
        let dir = std::env::temp_dir().join(format!("larder-mysql-{}-{}", std::process::id(), programs.join("-")));
        fs::create_dir_all(&dir).unwrap();
        for program in programs {
            let path = dir.join(program);
            // A client that is asked for a number says one.
            let says = "#!/bin/bash\ncase \"$*\" in *SELECT*) echo 7 ;; *) echo \"${0##*/} $*\" ;; esac\n";
            fs::write(&path, says).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let sed = "sed() { /bin/cat; }\n";
        let mut bash = Command::new("/bin/bash");
        bash.args(["-c", &[sed, LOGIN, script].concat()]).env("PATH", &dir).env("SERVER", "s").env("PORT", "1");
        bash.env("LOGIN", "u").env("DATABASE", "d").env("TLS", "--one --two").env("TLS_OF_MYSQL", "--three");
        let output = bash.stdin(std::process::Stdio::null()).output().unwrap();
        fs::remove_dir_all(&dir).unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn programs_of_either_kind_are_called_in_their_way() {
        let (is_well, mariadb) = called(&["mariadb-dump", "mariadb"], EXPORT);
        let login = "--protocol=tcp --host=s --port=1 --user=u";
        assert!(is_well && mariadb.starts_with(&format!("mariadb-dump {login} --one --two ")), "{mariadb}");
        assert!(mariadb.contains("--max-allowed-packet=7 ") && !mariadb.contains("gtid"), "{mariadb}");
        let (is_well, mysql) = called(&["mysqldump", "mysql"], EXPORT);
        assert!(is_well && mysql.starts_with(&format!("mysqldump {login} --three ")), "{mysql}");
        assert!(mysql.contains("--max-allowed-packet=7 ") && mysql.contains("gtid-purged=OFF"), "{mysql}");
        let (is_well, mysql) = called(&["mysqldump", "mysql"], IMPORT);
        assert!(is_well && mysql.starts_with(&format!("mysql {login} --three ")), "{mysql}");
        assert!(!called(&[], EXPORT).0 && !called(&[], IMPORT).0);
    }
}
