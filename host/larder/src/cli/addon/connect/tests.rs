//! Clients as they are started. Whatever the service, no secret is among the arguments.

use super::*;
use crate::cli::addon::credentials::tests::credentials;
use crate::cli::exec::Environment;

const PASSWORD: &str = "s3cret-p@ss";

fn client(parts: &[(&str, &str)]) -> Client {
    let common = [("hostname", "db.internal"), ("port", "7000"), ("password", PASSWORD)];
    let credentials = credentials(&[&common[..], parts].concat());
    Client::of(&credentials, &credentials.endpoint().unwrap()).unwrap()
}

fn words(program: &Program) -> String {
    assert!(!program.args.iter().any(|word| word.to_string_lossy().contains(PASSWORD)), "{program:?}");
    program.args.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn inherited() -> Environment {
    let inherited = ["HOME", "PGHOSTADDR", "PGSERVICE", "REDISCLI_AUTH", "MYSQL_PWD"];
    inherited.map(|name| (name.into(), "theirs".into())).into()
}

fn start(client: Client, name: &str) -> Program {
    client.program(name, vec!["--more".into()], inherited())
}

fn has(program: &Program, name: &str) -> Option<String> {
    program.environment.get::<std::ffi::OsStr>(name.as_ref()).map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn redis_gets_its_password_in_a_variable() {
    let program = start(client(&[("protocol", "redis"), ("username", "ann"), ("uri", "rediss://h/3")]), "redis-cli");
    assert_eq!(words(&program), "-h db.internal -p 7000 --user ann -n 3 --tls --more");
    assert_eq!(has(&program, "REDISCLI_AUTH").as_deref(), Some(PASSWORD));
    assert_eq!(has(&program, "HOME").as_deref(), Some("theirs"));
    let plain = start(client(&[("protocol", "redis"), ("database", "no number")]), "redis-cli");
    assert_eq!(words(&plain), "-h db.internal -p 7000 --more");
}

#[test]
fn postgres_gets_all_in_variables_and_nothing_of_anybody_elses() {
    let uri = format!("postgresql://ann:{PASSWORD}@h/shop?sslmode=require");
    let program = start(client(&[("protocol", "postgresql"), ("username", "ann"), ("uri", &uri)]), "psql");
    assert_eq!(words(&program), "--more");
    let expected = [
        ("PGHOST", "db.internal"),
        ("PGPORT", "7000"),
        ("PGUSER", "ann"),
        ("PGPASSWORD", PASSWORD),
        ("PGDATABASE", "shop"),
        ("PGSSLMODE", "require"),
    ];
    for (name, value) in expected {
        assert_eq!(has(&program, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!((has(&program, "PGHOSTADDR"), has(&program, "PGSERVICE")), (None, None));
    let odd = start(client(&[("uri", "postgres://h/shop?sslmode=odd")]), "psql");
    assert_eq!(has(&odd, "PGSSLMODE"), None);
}

#[test]
fn mysql_reads_no_settings_and_gives_no_files() {
    let parts = [("protocol", "mysql"), ("username", "ann"), ("database", "shop")];
    let common = "--no-defaults --protocol=TCP --host=db.internal --port=7000 --user=ann --database=shop \
                  --local-infile=0";
    let program = start(client(&parts), "mariadb");
    assert_eq!(words(&program), format!("{common} --skip-ssl-verify-server-cert --more"));
    assert_eq!(has(&program, "MYSQL_PWD").as_deref(), Some(PASSWORD));
    assert_eq!(words(&start(client(&parts), "mysql")), format!("{common} --more"));
    let encrypted = [&parts[..], &[("tls", "require")]].concat();
    assert_eq!(words(&start(client(&encrypted), "mariadb")), format!("{common} --ssl --more"));
    assert_eq!(words(&start(client(&encrypted), "mysql")), format!("{common} --ssl-mode=REQUIRED --more"));
}

#[test]
fn a_container_gets_variables_by_name() {
    let run = |parts: &[(&str, &str)], image: Option<&str>, is_terminal| {
        let client = client(parts);
        let image = image.unwrap_or(client.image);
        let program = container::program(client, image, vec!["--more".into()], inherited(), is_terminal);
        assert_eq!(program.name, "docker");
        program
    };
    let program = run(&[("protocol", "postgresql")], None, true);
    let expected = "run --rm --interactive --network host --tty --env PGHOST --env PGPORT --env PGPASSWORD \
                    postgres:16 psql --more";
    assert_eq!(words(&program), expected);
    assert_eq!(has(&program, "PGPASSWORD").as_deref(), Some(PASSWORD));
    let program = run(&[("protocol", "redis")], Some("valkey/valkey:8"), false);
    let expected = "run --rm --interactive --network host --env REDISCLI_AUTH valkey/valkey:8 valkey-cli \
                    -h db.internal -p 7000 --more";
    assert_eq!(words(&program), expected);
    assert!(words(&run(&[("protocol", "mysql")], Some("mysql:8"), false)).contains(" mysql:8 mysql --no-defaults "));
    assert!(words(&run(&[("protocol", "mysql")], None, false)).contains(" mariadb:10.11 mariadb --no-defaults "));
}

#[test]
fn other_protocols_have_no_client() {
    for protocol in ["memcached", "amqp", ""] {
        let credentials = credentials(&[("protocol", protocol), ("hostname", "h"), ("port", "1")]);
        let endpoint = credentials.endpoint().unwrap();
        assert_eq!(Client::of(&credentials, &endpoint), None, "{protocol}");
        let failure = unknown(&credentials, &endpoint);
        assert_eq!((failure.kind, failure.code.as_str()), (Kind::CommandMissing, "no_client"));
        assert!(failure.advice.unwrap().contains("h:1"));
    }
}

#[test]
fn what_is_not_installed_is_named_with_its_package() {
    let failure = missing(&client(&[("protocol", "postgresql")]), None);
    assert!(failure.detail.contains("`psql`") && failure.advice.unwrap().contains("`postgresql-client`"));
    assert_eq!(failure.kind.exit_code(), 127);
}
