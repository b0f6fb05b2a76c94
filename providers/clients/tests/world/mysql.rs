//! A real MariaDB that tenants share.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use larder_clients::Error;
use larder_clients::mysql::{
    Login, Retired, Session, Sql, Tenant, create_user, create_user_and_database, drop_user, drop_user_and_database,
    retire_user, shut_user, users_like,
};
use tempfile::TempDir;

use crate::support::{Server, as_user, free_port, program, run};
use crate::tls::{Upgradable, certify};

const ADMIN: &str = "correct horse";

type Client = Session<TcpStream>;

fn start(test: &str) -> Option<Server> {
    let install = program(test, "mariadb-install-db")?;
    let mariadbd = program(test, "mariadbd")?;
    let (dir, port) = (TempDir::new().unwrap(), free_port());
    let data = dir.path().join("data");
    let path = |name: &str| dir.path().join(name).display().to_string();
    // Servers that are made side by side get in each other's way otherwise.
    run(Command::new(install)
        .env("TMPDIR", dir.path())
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"])
        .arg(format!("--datadir={}", data.display())));
    let sql = format!(
        "CREATE USER admin@'%' IDENTIFIED BY '{ADMIN}';\nGRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION;\n\
         DELETE FROM mysql.global_priv WHERE User = '';\n\
         FLUSH PRIVILEGES;\n"
    );
    fs::write(path("init.sql"), sql).unwrap();
    let mut command = as_user("mysql", &mariadbd);
    command
        .env("TMPDIR", dir.path())
        .arg("--no-defaults")
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--port={port}"));
    command.args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-buffer-pool-size=16M"]);
    command.args(["--general-log=1", &format!("--general-log-file={}", path("log"))]);
    command.arg(format!("--socket={}", path("socket"))).arg(format!("--init-file={}", path("init.sql")));
    let certified = certify(dir.path());
    command.arg(format!("--ssl-cert={}", certified.certificate.display()));
    command.arg(format!("--ssl-key={}", certified.key.display()));
    command.arg(format!("--pid-file={}", path("pid")));
    Some(Server::start(dir, port, &mut command, "ready for connections", "-TERM"))
}

fn log_in(server: &Server, user: &str, password: &str) -> Result<Client, Error> {
    Session::connect(server.connect(), &Login { user, password, tls: false })
}

fn tenant(name: &str) -> Tenant<'_> {
    Tenant { name, password: "se'cr\\et", connections_max: Some(3) }
}

fn ask(client: &mut Client, sql: &'static str) -> Result<Option<String>, Error> {
    Ok(client.query(&Sql::new(sql))?.value().map(str::to_owned))
}

fn refused<T>(result: Result<T, Error>) -> String {
    match result {
        Err(error) => error.code().unwrap_or_else(|| panic!("{error}")).to_owned(),
        Ok(_) => panic!("it was granted"),
    }
}

#[test]
fn world_mariadb_tenants_are_made_kept_apart_and_dropped() {
    let Some(server) = start("world_mariadb_tenants_are_made_kept_apart_and_dropped") else { return };
    let mut admin = log_in(&server, "admin", ADMIN).unwrap();
    admin.ping().unwrap();
    assert!(admin.is_mariadb(), "{}", admin.version());
    assert_eq!(refused(log_in(&server, "admin", "wrong")), "1045");

    ask(&mut admin, "CREATE USER 'ann-1'@'localhost' IDENTIFIED BY 'leftover'").unwrap();
    for name in ["ann-1", "ann-1", "bob"] {
        create_user_and_database(&mut admin, &tenant(name)).unwrap();
    }
    let mut ann = log_in(&server, "ann-1", "se'cr\\et").unwrap();
    ask(&mut ann, "CREATE TABLE `ann-1`.t (id int, text text) ENGINE=InnoDB").unwrap();
    ask(&mut ann, "INSERT INTO `ann-1`.t VALUES (7, 'ä\\'), (8, NULL)").unwrap();
    let rows = ann.query(&Sql::new("SELECT text, id FROM `ann-1`.t ORDER BY id")).unwrap();
    assert_eq!(rows.all(), [[Some("ä\\".to_owned()), Some("7".to_owned())], [None, Some("8".to_owned())]]);
    let databases = ann.query(&Sql::new("SHOW DATABASES")).unwrap();
    assert_eq!(databases.column().collect::<Vec<_>>(), ["ann-1", "information_schema"]);
    for (sql, code) in [
        ("USE bob", "1044"),
        ("USE mysql", "1044"),
        ("CREATE DATABASE eve", "1044"),
        ("CREATE DATABASE `ann-2`", "1044"),
        ("CREATE USER eve", "1227"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "1227"),
        ("GRANT ALL ON `ann-1`.* TO bob@'%'", "1044"),
        ("SET PASSWORD FOR bob@'%' = PASSWORD('x')", "1044"),
        ("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE `ann-1`.t", "4166"),
    ] {
        assert_eq!(refused(ask(&mut ann, sql)), code, "{sql}");
    }
    assert_eq!(
        ask(&mut ann, "SELECT count(DISTINCT user) FROM information_schema.processlist").unwrap().as_deref(),
        Some("1")
    );
    let more: Vec<_> = (0..2).map(|_| log_in(&server, "ann-1", "se'cr\\et").unwrap()).collect();
    let one_too_many = log_in(&server, "ann-1", "se'cr\\et").err().unwrap();
    assert_eq!((one_too_many.code(), one_too_many.is_transient()), (Some("1226"), true));
    drop(more);

    // In use, with a lock held.
    ask(&mut ann, "BEGIN").unwrap();
    ask(&mut ann, "INSERT INTO `ann-1`.t VALUES (9, '')").unwrap();
    for _ in 0..2 {
        drop_user_and_database(&mut admin, "ann-1").unwrap();
    }
    assert!(ask(&mut ann, "SELECT 1").is_err());
    assert_eq!(refused(log_in(&server, "ann-1", "se'cr\\et")), "1045");
    let left = "SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE 'ann%'";
    assert_eq!(ask(&mut admin, left).unwrap().as_deref(), Some("0"));
    log_in(&server, "bob", "se'cr\\et").unwrap();
    let log = fs::read(server.dir.path().join("log")).unwrap();
    assert!(!String::from_utf8_lossy(&log).contains("cr\\et"), "the server has written down a password");
}

#[test]
fn world_mariadb_passwords_overlap_in_a_rotation() {
    let Some(server) = start("world_mariadb_passwords_overlap_in_a_rotation") else { return };
    let mut admin = log_in(&server, "admin", ADMIN).unwrap();
    create_user_and_database(&mut admin, &tenant("ann")).unwrap();
    let second = Tenant { name: "ann-2", password: "newer", connections_max: None };
    for _ in 0..2 {
        create_user(&mut admin, "ann", &second).unwrap();
    }
    let mut old = log_in(&server, "ann", "se'cr\\et").unwrap();
    let mut new = log_in(&server, "ann-2", "newer").unwrap();
    ask(&mut old, "CREATE TABLE ann.t (id int)").unwrap();
    ask(&mut new, "INSERT INTO ann.t VALUES (1)").unwrap();
    drop_user(&mut admin, "ann").unwrap();
    assert!(ask(&mut old, "SELECT 1").is_err());
    assert_eq!(ask(&mut new, "SELECT id FROM ann.t").unwrap().as_deref(), Some("1"));
    create_user_and_database(&mut admin, &Tenant { password: "changed", ..tenant("ann") }).unwrap();
    assert_eq!(refused(log_in(&server, "ann", "se'cr\\et")), "1045");
    log_in(&server, "ann", "changed").unwrap();

    let me = drop_user(&mut admin, "admin");
    assert!(matches!(me, Err(Error::Foreign(_))), "{me:?}");
    // A plain socket has no TLS, though the server has.
    let tls = Login { user: "admin", password: ADMIN, tls: true };
    assert!(Session::connect(server.connect(), &tls).is_err());
}

#[test]
fn world_mariadb_a_user_by_whose_rights_something_runs_is_shut_and_kept() {
    let test = "world_mariadb_a_user_by_whose_rights_something_runs_is_shut_and_kept";
    let Some(server) = start(test) else { return };
    let mut admin = log_in(&server, "admin", ADMIN).unwrap();
    create_user_and_database(&mut admin, &tenant("ann")).unwrap();
    for name in ["g1-ann", "g2-ann"] {
        create_user(&mut admin, "ann", &Tenant { name, password: "newer", connections_max: None }).unwrap();
    }
    let (mut first, mut second) =
        (log_in(&server, "g1-ann", "newer").unwrap(), log_in(&server, "g2-ann", "newer").unwrap());
    ask(&mut first, "CREATE TABLE ann.t (id int)").unwrap();
    ask(&mut first, "CREATE TRIGGER ann.twice BEFORE INSERT ON ann.t FOR EACH ROW SET NEW.id = 2 * NEW.id").unwrap();
    ask(&mut first, "CREATE FUNCTION ann.seven() RETURNS int RETURN 7").unwrap();
    let body = "SELECT routine_definition FROM information_schema.routines WHERE routine_name = 'seven'";
    assert_eq!(ask(&mut second, body).unwrap(), None);
    for _ in 0..2 {
        shut_user(&mut admin, "g1-ann").unwrap();
        assert_eq!(retire_user(&mut admin, "ann", "g1-ann", "g2-ann").unwrap(), Retired::Shut);
    }
    // The routine is the other one's by now, who can export it.
    assert_eq!(ask(&mut second, body).unwrap().as_deref(), Some("RETURN 7"));
    assert!(ask(&mut first, "SELECT 1").is_err());
    refused(log_in(&server, "g1-ann", "newer"));
    ask(&mut second, "INSERT INTO ann.t VALUES (7)").unwrap();
    assert_eq!(ask(&mut second, "SELECT id FROM ann.t").unwrap().as_deref(), Some("14"));
    assert_eq!(users_like(&mut admin, "g%-ann").unwrap(), ["g1-ann", "g2-ann"]);
    // Without that, it goes.
    ask(&mut second, "DROP TRIGGER ann.twice").unwrap();
    for _ in 0..2 {
        assert_eq!(retire_user(&mut admin, "ann", "g1-ann", "g2-ann").unwrap(), Retired::Gone);
    }
    shut_user(&mut admin, "g1-ann").unwrap();
    assert_eq!(users_like(&mut admin, "g%-ann").unwrap(), ["g2-ann"]);
}

#[test]
fn world_mariadb_tenants_are_made_in_tls() {
    let Some(server) = start("world_mariadb_tenants_are_made_in_tls") else { return };
    let tls = Login { user: "admin", password: ADMIN, tls: true };
    let mut session = Session::connect(Upgradable::new(server.connect(), server.dir.path()), &tls).unwrap();
    let version = session.query(&Sql::new("SHOW SESSION STATUS LIKE 'Ssl_version'")).unwrap();
    assert!(version.all()[0][1].as_deref().unwrap().starts_with("TLSv1."), "{version:?}");
    create_user_and_database(&mut session, &tenant("ann")).unwrap();
    drop_user_and_database(&mut session, "ann").unwrap();
    // Somebody else's certificate.
    let other = TempDir::new().unwrap();
    certify(other.path());
    assert!(Session::connect(Upgradable::new(server.connect(), other.path()), &tls).is_err());
}
