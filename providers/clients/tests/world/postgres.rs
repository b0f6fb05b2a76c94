//! A real PostgreSQL that tenants share.

use std::fs;
use std::net::TcpStream;

use larder_clients::Error;
use larder_clients::postgres::{
    Dropped, Login, Session, Shut, Sql, Tenant, create_login, create_role_and_database, demand_passwords, drop_login,
    drop_role_and_database, open_to_all, shut_login, shut_out_the_public,
};
use tempfile::TempDir;

use crate::support::{Server, as_user, free_port, program, run};
use crate::tls::{Upgradable, certify};

const ADMIN: &str = "correct horse";

/// The way in which the server that has no TLS wants passwords.
const WITHOUT_TLS: &str = "md5";

type Client = Session<TcpStream>;

/// A fresh cluster whose passwords are kept and proven in this way.
fn start_with(test: &str, way: &str) -> Option<Server> {
    let initdb = program(test, "initdb")?;
    let (dir, port) = (TempDir::new().unwrap(), free_port());
    let (data, password) = (dir.path().join("data"), dir.path().join("password"));
    fs::write(&password, ADMIN).unwrap();
    run(as_user("postgres", &initdb)
        .arg("-D")
        .arg(&data)
        .args(["-U", "postgres", "-A", way])
        .arg(format!("--pwfile={}", password.display())));
    let certified = certify(dir.path());
    let mut command = as_user("postgres", &initdb.with_file_name("postgres"));
    if way != WITHOUT_TLS {
        command.args(["-c", "ssl=on", "-c", &format!("ssl_cert_file={}", certified.certificate.display())]);
        command.args(["-c", &format!("ssl_key_file={}", certified.key.display())]);
    }
    command.arg("-D").arg(&data).args([
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        &format!("port={port}"),
        "-c",
        "fsync=off",
    ]);
    command.args(["-c", &format!("unix_socket_directories={}", dir.path().display())]);
    Some(Server::start(dir, port, &mut command, "ready to accept connections", "-INT"))
}

/// Where nobody within has to know a password, as in images.
#[test]
fn world_postgres_a_server_that_trusts_is_made_to_ask() {
    let Some(server) = start_with("world_postgres_a_server_that_trusts_is_made_to_ask", "trust") else { return };
    let mut trusted = log_in(&server, "postgres", "battery staple", "postgres").unwrap();
    ask(&mut trusted, "ALTER ROLE postgres PASSWORD 'correct horse'").unwrap();
    for _ in 0..2 {
        demand_passwords(&mut trusted).unwrap();
    }
    let asks = || log_in(&server, "postgres", "battery staple", "postgres").err();
    let refusal =
        (0..100).find_map(|_| asks().or_else(|| ask(&mut trusted, "SELECT pg_sleep(0.1)").map(|_| None).unwrap()));
    assert_eq!(refusal.unwrap().code(), Some("28P01"));
    admin(&server);
}

fn start(test: &str) -> Option<Server> {
    start_with(test, "scram-sha-256")
}

fn log_in(server: &Server, user: &str, password: &str, database: &str) -> Result<Client, Error> {
    Session::connect(server.connect(), &Login { user, password, database, tls: false })
}

fn admin(server: &Server) -> Client {
    log_in(server, "postgres", ADMIN, "postgres").unwrap()
}

fn tenant(name: &'static str) -> Tenant<'static> {
    Tenant { name, password: "secret", connections_max: Some(5) }
}

fn login(name: &'static str, password: &'static str) -> Tenant<'static> {
    Tenant { name, password, connections_max: Some(2) }
}

fn shut(is_to_be_dropped: bool, others: &[&str]) -> Shut {
    Shut { is_to_be_dropped, others: others.iter().map(|&other| other.to_owned()).collect() }
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

const NO_SUCH_LOGIN: [&str; 2] = ["28P01", "28000"];

#[test]
fn world_postgres_tenants_are_kept_apart() {
    let Some(server) = start("world_postgres_tenants_are_kept_apart") else { return };
    let mut admin = admin(&server);
    assert_eq!(open_to_all(&mut admin).unwrap().len(), 2);
    shut_out_the_public(&mut admin).unwrap();
    for name in ["ann", "bob"] {
        create_role_and_database(&mut admin, &tenant(name)).unwrap();
    }
    assert_eq!(open_to_all(&mut admin).unwrap(), [""; 0]);
    let mut ann = log_in(&server, "ann", "secret", "ann").unwrap();
    ask(&mut ann, "CREATE TABLE public.t (id int); INSERT INTO public.t VALUES (7)").unwrap();
    assert_eq!(ask(&mut ann, "SELECT id FROM public.t").unwrap().as_deref(), Some("7"));
    for database in ["bob", "postgres", "template1"] {
        assert_eq!(refused(log_in(&server, "ann", "secret", database)), "42501", "{database}");
    }
    assert!(NO_SUCH_LOGIN.contains(&refused(log_in(&server, "ann", "wrong", "ann")).as_str()));
    for (sql, code) in [
        ("CREATE ROLE eve", "42501"),
        ("CREATE DATABASE eve", "42501"),
        ("ALTER ROLE ann SUPERUSER", "42501"),
        ("ALTER ROLE bob PASSWORD 'x'", "42501"),
        ("ALTER DATABASE ann RENAME TO eve", "42501"),
        ("SET ROLE bob", "42501"),
        ("SELECT rolpassword FROM pg_authid", "42501"),
        ("COPY public.t TO PROGRAM 'true'", "42501"),
        ("SELECT pg_read_file('/etc/passwd')", "42501"),
        ("COMMENT ON ROLE ann IS 'x'", "42501"),
    ] {
        assert_eq!(refused(ask(&mut ann, sql)), code, "{sql}");
    }
}

#[test]
fn world_postgres_tenants_can_be_made_twice_and_from_any_point() {
    let Some(server) = start("world_postgres_tenants_can_be_made_twice_and_from_any_point") else { return };
    let mut admin = admin(&server);
    let name = "it's \"odd\" ; \\ ä";
    let odd = Tenant { name, password: "first", connections_max: None };
    create_role_and_database(&mut admin, &odd).unwrap();
    create_role_and_database(&mut admin, &Tenant { password: "second' \\", ..odd }).unwrap();
    assert!(log_in(&server, name, "first", name).is_err());
    log_in(&server, name, "second' \\", name).unwrap();
    // As after a crash: the role is there, or the database as well but nobody may connect to it.
    admin.query(&Sql::new("DROP DATABASE ").name(name)).unwrap();
    create_role_and_database(&mut admin, &odd).unwrap();
    admin.query(&Sql::new("ALTER DATABASE ").name(name).then(" ALLOW_CONNECTIONS false")).unwrap();
    create_role_and_database(&mut admin, &odd).unwrap();
    log_in(&server, name, "first", name).unwrap();

    // And removed: with the database gone already, too.
    admin.query(&Sql::new("DROP DATABASE ").name(name).then(" WITH (FORCE)")).unwrap();
    for _ in 0..2 {
        assert_eq!(drop_role_and_database(&mut admin, name).unwrap(), Dropped::Gone);
    }
    assert_eq!(
        ask(&mut admin, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'it%'").unwrap().as_deref(),
        Some("0")
    );
}

#[test]
fn world_postgres_what_is_not_ours_is_left_alone() {
    let Some(server) = start("world_postgres_what_is_not_ours_is_left_alone") else { return };
    let mut admin = admin(&server);
    ask(&mut admin, "CREATE ROLE taken LOGIN PASSWORD 'x'").unwrap();
    ask(&mut admin, "CREATE DATABASE other").unwrap();
    for name in ["taken", "postgres", "other"] {
        let made = create_role_and_database(&mut admin, &tenant(name));
        assert!(matches!(made, Err(Error::Foreign(_))), "{name}: {made:?}");
    }
    for name in ["taken", "postgres"] {
        assert_eq!(drop_role_and_database(&mut admin, name).unwrap(), Dropped::NotOurs, "{name}");
    }
    // The role was made before the database turned out to be taken.
    assert_eq!(drop_role_and_database(&mut admin, "other").unwrap(), Dropped::Gone);
    assert_eq!(
        ask(&mut admin, "SELECT count(*) FROM pg_database WHERE datname = 'other'").unwrap().as_deref(),
        Some("1")
    );
    // Somebody else's login is no login of a tenant, even if the tenant takes it in.
    create_role_and_database(&mut admin, &tenant("ann")).unwrap();
    create_role_and_database(&mut admin, &tenant("bob")).unwrap();
    ask(&mut admin, "GRANT ann TO bob").unwrap();
    assert!(matches!(shut_login(&mut admin, "ann", "bob"), Err(Error::Foreign(_))));
    assert_eq!(drop_role_and_database(&mut admin, "ann").unwrap(), Dropped::Gone);
    log_in(&server, "bob", "secret", "bob").unwrap();
}

#[test]
fn world_postgres_a_tenant_is_dropped_in_use() {
    let Some(server) = start("world_postgres_a_tenant_is_dropped_in_use") else { return };
    let mut admin = admin(&server);
    create_role_and_database(&mut admin, &tenant("ann")).unwrap();
    create_login(&mut admin, "ann", &login("ann_2", "newer")).unwrap();
    let mut ann = log_in(&server, "ann", "secret", "ann").unwrap();
    let mut newer = log_in(&server, "ann_2", "newer", "ann").unwrap();
    let more = log_in(&server, "ann_2", "newer", "ann").unwrap();
    assert_eq!(refused(log_in(&server, "ann_2", "newer", "ann")), "53300");
    drop(more);
    // It would rather stay.
    ask(&mut ann, "ALTER DATABASE ann IS_TEMPLATE true").unwrap();
    ask(&mut ann, "BEGIN; CREATE TABLE public.t (id int)").unwrap();
    // What was given to it elsewhere is in the way of the role.
    ask(&mut admin, "CREATE TABLE public.shared (id int); GRANT SELECT ON public.shared TO ann; GRANT CONNECT ON DATABASE postgres TO ann").unwrap();
    assert_eq!(drop_role_and_database(&mut admin, "ann").unwrap(), Dropped::Gone);
    assert!(ask(&mut ann, "SELECT 1").is_err() && ask(&mut newer, "SELECT 1").is_err());
    assert_eq!(
        ask(&mut admin, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'ann%'").unwrap().as_deref(),
        Some("0")
    );
}

#[test]
fn world_postgres_passwords_overlap_in_a_rotation() {
    let Some(server) = start("world_postgres_passwords_overlap_in_a_rotation") else { return };
    let mut admin = admin(&server);
    create_role_and_database(&mut admin, &tenant("ann")).unwrap();
    for _ in 0..2 {
        create_login(&mut admin, "ann", &login("ann_2", "newer")).unwrap();
    }
    let mut ann = log_in(&server, "ann", "secret", "ann").unwrap();
    let mut newer = log_in(&server, "ann_2", "newer", "ann").unwrap();
    assert_eq!(ask(&mut newer, "SELECT current_user").unwrap().as_deref(), Some("ann"));
    ask(&mut ann, "CREATE TABLE public.old (id int)").unwrap();
    ask(&mut newer, "CREATE TABLE public.new AS SELECT * FROM public.old; DROP TABLE public.old").unwrap();
    ask(&mut ann, "INSERT INTO public.new VALUES (1)").unwrap();
    // It may well insist on being itself.
    ask(&mut newer, "RESET ROLE; SET ROLE ann; CREATE SCHEMA s; GRANT ALL ON SCHEMA s TO ann_2; SET ROLE ann_2; CREATE TABLE s.own (id int)").unwrap();

    // And lets in somebody else, for later.
    create_role_and_database(&mut admin, &tenant("bob")).unwrap();
    let lets_in = "GRANT CONNECT ON DATABASE ann TO bob WITH GRANT OPTION; GRANT SELECT ON public.new TO bob";
    ask(&mut ann, lets_in).unwrap();
    ask(&mut admin, "GRANT ann TO bob WITH ADMIN OPTION").unwrap();
    let mut guest = log_in(&server, "bob", "secret", "ann").unwrap();
    assert_eq!(ask(&mut guest, "SELECT id FROM public.new").unwrap().as_deref(), Some("1"));
    let mut as_ann = log_in(&server, "bob", "secret", "bob").unwrap();
    ask(&mut as_ann, "SET ROLE ann").unwrap();

    assert_eq!(shut_login(&mut admin, "ann", "ann").unwrap(), shut(false, &["bob"]));
    assert!(ask(&mut ann, "SELECT 1").is_err());
    assert!(ask(&mut guest, "SELECT 1").is_err() && ask(&mut as_ann, "SELECT 1").is_err());
    assert_eq!(refused(log_in(&server, "bob", "secret", "ann")), "42501");
    let mut bob = log_in(&server, "bob", "secret", "bob").unwrap();
    assert_eq!(refused(ask(&mut bob, "SET ROLE ann")), "42501");
    ask(&mut newer, "SELECT 1").unwrap();
    assert!(NO_SUCH_LOGIN.contains(&refused(log_in(&server, "ann", "secret", "ann")).as_str()));
    create_login(&mut admin, "ann", &login("ann_3", "newest")).unwrap();

    // A tenant who has set traps for whoever comes with more power, or to end it.
    let mut newest = log_in(&server, "ann_3", "newest", "ann").unwrap();
    ask(&mut newest, "CREATE FUNCTION public.shobj_description(oid, name) RETURNS text LANGUAGE sql AS $$ SELECT 1/0; SELECT ''::text $$").unwrap();
    for trap in [
        "ALTER DATABASE ann SET search_path = public, pg_catalog",
        "ALTER DATABASE ann SET role = ann",
        "ALTER DATABASE ann SET local_preload_libraries = nothing",
        "ALTER DATABASE ann SET default_transaction_read_only = on",
        "ALTER DATABASE ann SET statement_timeout = 1",
        "ALTER DATABASE ann SET idle_session_timeout = 1",
        "ALTER DATABASE ann SET idle_in_transaction_session_timeout = 1",
        "ALTER DATABASE ann SET exit_on_error = on",
        "REVOKE ALL ON DATABASE ann FROM ann",
        "GRANT CONNECT ON DATABASE ann TO PUBLIC",
    ] {
        ask(&mut newest, trap).unwrap();
    }
    let mut outside = log_in(&server, "ann_3", "newest", "postgres").unwrap();
    ask(&mut outside, "SET ROLE ann; ALTER DATABASE ann ALLOW_CONNECTIONS false CONNECTION LIMIT 0").unwrap();
    // Whatever becomes of the role, it logs in no more.
    assert_eq!(shut_login(&mut admin, "ann", "ann_2").unwrap(), shut(true, &["PUBLIC"]));
    assert!(ask(&mut newer, "SELECT 1").is_err());
    assert!(NO_SUCH_LOGIN.contains(&refused(log_in(&server, "ann_2", "newer", "ann")).as_str()));
    assert_eq!(refused(log_in(&server, "bob", "secret", "ann")), "42501");
    // From elsewhere, what it made is in the way; from within, it becomes the owner's.
    assert_eq!(drop_login(&mut admin, "ann", "ann_2").unwrap(), Dropped::Shut);
    let mut within = log_in(&server, "postgres", ADMIN, "ann").unwrap();
    ask(&mut admin, "SELECT pg_sleep(0.05)").unwrap();
    assert_eq!(refused(ask(&mut within, "SELECT 1/0")), "22012");
    assert_eq!(drop_login(&mut within, "ann", "ann_2").unwrap(), Dropped::Gone);
    drop(within);
    assert_eq!(shut_login(&mut admin, "ann", "ann_2").unwrap(), shut(false, &[]), "it is gone");
    ask(&mut newest, "INSERT INTO s.own VALUES (1)").unwrap();
    assert_eq!(drop_role_and_database(&mut admin, "ann").unwrap(), Dropped::Gone);
}

/// Whoever has a database gives rights in it to any role, and nobody else takes them away.
#[test]
fn world_postgres_a_role_that_a_stranger_has_given_rights_is_shut_and_left() {
    let test = "world_postgres_a_role_that_a_stranger_has_given_rights_is_shut_and_left";
    let Some(server) = start(test) else { return };
    let mut admin = admin(&server);
    for name in ["ann", "bob"] {
        create_role_and_database(&mut admin, &tenant(name)).unwrap();
    }
    create_login(&mut admin, "ann", &login("ann_2", "newer")).unwrap();
    let mut bob = log_in(&server, "bob", "secret", "bob").unwrap();
    ask(&mut bob, "CREATE TABLE public.t (id int); GRANT SELECT ON public.t TO ann, ann_2").unwrap();
    let mut newer = log_in(&server, "ann_2", "newer", "ann").unwrap();
    for _ in 0..2 {
        assert_eq!(shut_login(&mut admin, "ann", "ann_2").unwrap(), shut(true, &[]));
        let mut within = log_in(&server, "postgres", ADMIN, "ann").unwrap();
        assert_eq!(drop_login(&mut within, "ann", "ann_2").unwrap(), Dropped::Shut);
    }
    assert!(ask(&mut newer, "SELECT 1").is_err());
    assert!(NO_SUCH_LOGIN.contains(&refused(log_in(&server, "ann_2", "newer", "ann")).as_str()));
    for _ in 0..2 {
        assert_eq!(drop_role_and_database(&mut admin, "ann").unwrap(), Dropped::Shut);
    }
    let left =
        "SELECT string_agg(rolname || rolcanlogin, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'ann%'";
    assert_eq!(ask(&mut admin, left).unwrap().as_deref(), Some("annfalse ann_2false"));
    let database = "SELECT count(*) FROM pg_database WHERE datname = 'ann'";
    assert_eq!(ask(&mut admin, database).unwrap().as_deref(), Some("0"));
    ask(&mut bob, "DROP TABLE public.t").unwrap();
    assert_eq!(drop_role_and_database(&mut admin, "ann").unwrap(), Dropped::Gone);
    assert_eq!(
        ask(&mut admin, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'ann%'").unwrap().as_deref(),
        Some("0")
    );
}

#[test]
fn world_postgres_an_administrator_need_not_be_a_superuser() {
    let Some(server) = start("world_postgres_an_administrator_need_not_be_a_superuser") else { return };
    ask(&mut admin(&server), "CREATE ROLE keeper LOGIN CREATEDB CREATEROLE PASSWORD 'k'").unwrap();
    let mut keeper = log_in(&server, "keeper", "k", "postgres").unwrap();
    for _ in 0..2 {
        create_role_and_database(&mut keeper, &tenant("ann")).unwrap();
        let open = open_to_all(&mut keeper).unwrap();
        assert_eq!(open.iter().filter(|name| *name == "postgres" || *name == "template1").count(), 2, "{open:?}");
    }
    create_login(&mut keeper, "ann", &login("ann_2", "newer")).unwrap();
    let mut ann = log_in(&server, "ann", "secret", "ann").unwrap();
    ask(&mut ann, "CREATE TABLE public.t (id int)").unwrap();
    let mut newer = log_in(&server, "ann_2", "newer", "ann").unwrap();
    ask(&mut newer, "INSERT INTO public.t VALUES (1)").unwrap();
    ask(&mut ann, "REVOKE ALL ON DATABASE ann FROM ann").unwrap();
    create_role_and_database(&mut keeper, &tenant("bob")).unwrap();
    ask(&mut admin(&server), "GRANT ann TO bob; GRANT CONNECT ON DATABASE ann TO bob").unwrap();
    let mut guest = log_in(&server, "bob", "secret", "ann").unwrap();
    assert_eq!(shut_login(&mut keeper, "ann", "ann_2").unwrap(), shut(true, &["bob"]));
    assert!(ask(&mut guest, "SELECT 1").is_err());
    assert_eq!(refused(log_in(&server, "bob", "secret", "ann")), "42501");
    drop_login(&mut log_in(&server, "keeper", "k", "ann").unwrap(), "ann", "ann_2").unwrap();
    assert_eq!(drop_role_and_database(&mut keeper, "ann").unwrap(), Dropped::Gone);
    assert_eq!(drop_role_and_database(&mut keeper, "postgres").unwrap(), Dropped::NotOurs);
}

#[test]
fn world_postgres_passwords_are_proven_as_the_server_wants() {
    let test = "world_postgres_passwords_are_proven_as_the_server_wants";
    let Some(server) = start_with(test, "md5") else { return };
    let mut root = admin(&server);
    assert_eq!(ask(&mut root, "SHOW password_encryption").unwrap().as_deref(), Some("md5"));
    create_role_and_database(&mut root, &tenant("ann")).unwrap();
    log_in(&server, "ann", "secret", "ann").unwrap();
    let tls = Login { user: "postgres", password: ADMIN, database: "postgres", tls: true };
    assert!(matches!(Session::connect(server.connect(), &tls), Err(Error::NoTls)));
    drop(root);
    let Some(server) = start_with(test, "password") else { return };
    assert!(matches!(log_in(&server, "postgres", ADMIN, "postgres"), Err(Error::Insecure(_))));
    let stream = Upgradable::new(server.connect(), server.dir.path());
    let mut session = Session::connect(stream, &tls).unwrap();
    let secured = session.query(&Sql::new("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).unwrap();
    assert_eq!(secured.value(), Some("t"));
}

#[test]
fn world_postgres_tenants_are_made_in_tls() {
    let Some(server) = start("world_postgres_tenants_are_made_in_tls") else { return };
    let tls = Login { user: "postgres", password: ADMIN, database: "postgres", tls: true };
    let mut session = Session::connect(Upgradable::new(server.connect(), server.dir.path()), &tls).unwrap();
    create_role_and_database(&mut session, &tenant("ann")).unwrap();
    assert_eq!(drop_role_and_database(&mut session, "ann").unwrap(), Dropped::Gone);
    // Somebody else's certificate.
    let other = TempDir::new().unwrap();
    certify(other.path());
    assert!(Session::connect(Upgradable::new(server.connect(), other.path()), &tls).is_err());
}
