//! Addons in use from the command line: a command with their variables, their own client, a port that leads to them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Host, behave};

/// The command line against this host, with what a careless shell has in its environment.
fn larder(host: &Host, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    command.args(words).env("LARDER_DATA_DIR", host.dir()).env_remove("LARDER_URL").env_remove("LARDER_TOKEN");
    command.env("CHAMELEON_URL", "stale").env("LARDER_SECRET_OF_THE_HOST", "leaks").env("MINE", "kept");
    command
}

fn run(host: &Host, words: &[&str]) -> Output {
    larder(host, &[&["run", "--app", "demo"], words].concat()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}

/// A chameleon with these credentials beside a password.
fn reached_at(protocol: &str, port: u16) -> Value {
    let uri = format!("{protocol}://ann:s3cret@127.0.0.1:{port}/0");
    let credential = |(key, value): (&str, &str)| json!({ "key": key, "value": value, "secret": key == "password" });
    let port = port.to_string();
    let credentials = [
        ("uri", uri.as_str()),
        ("protocol", protocol),
        ("hostname", "127.0.0.1"),
        ("port", &port),
        ("username", "ann"),
        ("password", "s3cret"),
    ];
    behave(json!({ "config": { "config": { "credentials": credentials.map(credential) } } }))
}

#[tokio::test]
async fn a_command_sees_the_apps_variables_and_nothing_of_larders() {
    let host = Host::start(&["chameleon"]).await;
    let id = host.create_and_wait(behave(json!({}))).await.id();
    host.patch("/v1/apps/demo/config", json!({ "GREETING": "two\nlines = 'one'" })).await.expect(200);
    let output = run(&host, &["--", "env", "-0"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let seen: Vec<&str> = text(&output.stdout).split('\0').collect();
    assert!(seen.contains(&format!("CHAMELEON_URL=chameleon://{id}").as_str()), "{seen:?}");
    assert!(seen.contains(&"GREETING=two\nlines = 'one'") && seen.contains(&"MINE=kept"), "{seen:?}");
    let of_larder: Vec<_> = seen.iter().filter(|pair| pair.starts_with("LARDER_")).collect();
    assert!(of_larder.len() == 1 && of_larder[0].starts_with("LARDER_SERVICES={"), "{of_larder:?}");
    let bare = run(&host, &["--env-only", "env"]);
    let bare = text(&bare.stdout);
    assert!(bare.contains("PATH=") && bare.contains("CHAMELEON_TOKEN=") && !bare.contains("MINE="), "{bare}");
}

#[tokio::test]
async fn a_command_ends_as_it_would_without_larder() {
    let host = Host::start(&[]).await;
    assert_eq!(run(&host, &["--", "sh", "-c", "exit 42"]).status.code(), Some(42));
    assert_eq!(run(&host, &["--", "sh", "-c", "kill -KILL $$"]).status.signal(), Some(9));
    assert_eq!(text(&run(&host, &["printf", "%s|", "--app", "a b", "--json"]).stdout), "--app|a b|--json|");
    let missing = run(&host, &["--", "no-such-command"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(text(&missing.stderr).contains("`no-such-command`"), "{}", text(&missing.stderr));
    let folder = TempDir::new().unwrap();
    assert_eq!(run(&host, &["--", folder.path().to_str().unwrap()]).status.code(), Some(126));
    assert_eq!(larder(&host, &["run", "--app", "nosuch", "true"]).output().unwrap().status.code(), Some(1));
}

#[tokio::test]
async fn signals_go_to_the_command_itself() {
    let host = Host::start(&[]).await;
    let script = "trap 'exit 7' TERM; echo here; while :; do sleep 0.05; done";
    let mut child =
        larder(&host, &["run", "--app", "demo", "--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "here\n");
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[tokio::test]
async fn a_command_is_run_once_all_addons_are_ready() {
    let host = Host::start(&["chameleon"]).await;
    let later = json!({ "pending": { "after_ms": 700, "message": "not yet" } });
    host.create(behave(json!({ "complete": [later, { "ok": {} }] }))).await.expect(202);
    let early = run(&host, &["sh", "-c", "test $CHAMELEON_URL = stale"]);
    assert!(early.status.success() && text(&early.stderr).contains("demo/chameleon"), "{}", text(&early.stderr));
    let waited = run(&host, &["--wait", "printenv", "CHAMELEON_URL"]);
    assert!(text(&waited.stdout).starts_with("chameleon://"), "{}", text(&waited.stderr));
    let broken = json!({ "service": "chameleon", "name": "broken", "attach_as": "broken",
        "parameters": { "begin": { "failed": "the disk is full" } } });
    host.create_and_wait(broken).await.expect(200);
    let failed = run(&host, &["--wait=5s", "true"]);
    assert_eq!(failed.status.code(), Some(4));
    assert!(text(&failed.stderr).contains("the disk is full"), "{}", text(&failed.stderr));
    let (code, _, error) = host.cli(&["addon", "delete", "demo/broken"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(run(&host, &["--wait=5s", "true"]).status.code(), Some(0));
}

#[tokio::test]
async fn the_services_own_client_gets_the_password_in_secret() {
    let host = Host::start(&["chameleon"]).await;
    host.create_and_wait(reached_at("redis", 7000)).await.expect(201);
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("redis-cli");
    std::fs::write(&program, "#!/bin/sh\necho \"$*|$REDISCLI_AUTH|$LARDER_DATA_DIR\"\nexit 9\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let connect = |folder: &str| {
        let words = ["addon", "connect", "demo/chameleon", "--", "PING"];
        larder(&host, &words).env("PATH", folder).output().unwrap()
    };
    let output = connect(folder.path().to_str().unwrap());
    assert_eq!(text(&output.stdout), "-h 127.0.0.1 -p 7000 --user ann -n 0 PING|s3cret|\n", "{output:?}");
    assert_eq!(output.status.code(), Some(9));
    let output = connect("/nowhere");
    assert_eq!(output.status.code(), Some(127));
    assert!(text(&output.stderr).contains("redis-tools"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn a_tunnel_leads_to_the_addon_until_interrupted() {
    let echo = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = echo.local_addr().unwrap().port();
    let host = Host::start(&["chameleon"]).await;
    host.create_and_wait(reached_at("redis", port)).await.expect(201);
    let mut tunnel = larder(&host, &["addon", "tunnel", "demo/chameleon"]);
    let mut tunnel = tunnel.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tunnel.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let (first, url) = (lines.next().unwrap(), lines.next().unwrap());
    let local = first.strip_suffix(&format!(" -> 127.0.0.1:{port}")).unwrap();
    let local = local.strip_prefix("localhost:").unwrap();
    assert_eq!(url, format!("redis://ann:••••••••@127.0.0.1:{local}/0"));

    let local: u16 = local.parse().unwrap();
    let said = vec![b'x'; 300_000];
    let mut client = TcpStream::connect(("127.0.0.1", local)).unwrap();
    let (mut far, _) = echo.accept().unwrap();
    let sender = std::thread::spawn(move || {
        client.write_all(&said).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, said);
    });
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).unwrap();
    far.write_all(&heard).unwrap();
    drop(far);
    sender.join().unwrap();

    drop(echo);
    let mut refused = TcpStream::connect(("127.0.0.1", local)).unwrap();
    let mut errors = BufReader::new(tunnel.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    assert_eq!(refused.read(&mut [0]).unwrap(), 0);
    let error = errors.next().unwrap();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("refused"), "{error}");
    assert_eq!(tunnel.try_wait().unwrap(), None);
    terminate(&tunnel);
    assert_eq!(tunnel.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_tunnel_tells_programs_where_it_is() {
    let host = Host::start(&["chameleon", "secret"]).await;
    host.create_and_wait(reached_at("redis", 9)).await.expect(201);
    let words = ["addon", "tunnel", "demo/chameleon", "--json", "--reveal"];
    let mut tunnel = larder(&host, &words).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(tunnel.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["target"], "127.0.0.1:9");
    assert_eq!(told["url"], format!("redis://ann:s3cret@{}/0", told["local"].as_str().unwrap()));
    terminate(&tunnel);
    assert_eq!(tunnel.wait().unwrap().code(), Some(0));
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    let (code, _, error) = host.cli(&["addon", "tunnel", "demo/secret"]);
    assert!(code == 1 && error.contains("no_endpoint"), "{error}");
}
