//! Files of engines: what they say, and what is said of mistakes in them.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use larder_control::EngineSettings;

use super::*;

/// A folder with proofs for TLS and a password.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["larder".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("cert.pem", certificate.pem()),
        ("key.pem", key.serialize_pem()),
        ("password", "swordfish\n".to_owned()),
        ("nothing", "\n".to_owned()),
        ("long", "x".repeat(16 * 1024 + 1)),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn of(text: &str) -> anyhow::Result<Vec<NamedEngine>> {
    let dir = folder();
    let file = dir.path().join("engines.yaml");
    fs::write(&file, text).unwrap();
    read(&file).map(|(engines, _)| engines)
}

fn mistake(text: &str) -> String {
    match of(text) {
        Ok(_) => panic!("{text} was read"),
        Err(error) => format!("{error:#}"),
    }
}

const ALL: &str = "
engines:
  near:
    url: unix:///run/docker.sock
  far:
    url: tcp://far.example.com:2376
    tls: {ca: ca.pem, cert: cert.pem, key: key.pem}
    publish_at: 0.0.0.0
    ports: 30000-30999
    labels: {disk: ssd, zone: a}
    weight: 3
  told:
    url: tcp://10.0.0.1:2375
    insecure: true
    advertise: apps.example.com
    publish_at: 10.0.0.1
    weight: 0
registries:
  registry.example.com:5000: {username: me, password_file: password}
  default: {username: me, password_file: password}
";

#[test]
fn everything_can_be_said() {
    let engines = of(ALL).unwrap();
    let said: Vec<String> = engines
        .iter()
        .map(|engine| {
            let EngineSettings { name, url, advertise, publish_at, ports, labels, weight } = engine.settings();
            let labels = larder_domain::engines::EngineWish::Labelled(labels.clone());
            format!("{name} {url} {advertise} {publish_at} {ports:?} {labels} {weight}")
        })
        .collect();
    assert_eq!(
        said,
        [
            "near unix:///run/docker.sock 127.0.0.1 127.0.0.1 21000..=21999  1",
            "far tcp://far.example.com:2376 far.example.com 0.0.0.0 30000..=30999 disk=ssd,zone=a 3",
            "told tcp://10.0.0.1:2375 apps.example.com 10.0.0.1 21000..=21999  0",
        ]
    );
    assert!(of(r#"{"engines": {"a": {"url": "unix:///a"}}}"#).is_ok(), "JSON will do as well");
}

/// A file with one engine, which has this beside its url.
fn with(more: &str) -> String {
    format!("engines:\n  a:\n    url: tcp://10.0.0.1:2376\n    publish_at: 10.0.0.1\n    insecure: true\n    {more}\n")
}

#[test]
fn each_mistake_names_its_line_and_what_helps() {
    let tls = "tls: {ca: ca.pem, cert: cert.pem, key: key.pem}";
    for (text, expected) in [
        ("", "the file is empty"),
        ("engines: {}", "engines.yaml:1: `engines` names 0; use 1 to 32"),
        ("registries: {}", "engines.yaml:1: the file has no `engines`"),
        ("engine: {}", "engines.yaml:1: unknown key `engine` in the file; there are engines, registries"),
        ("engines:\n  A: {url: unix:///a}", "engines.yaml:2: \"A\" is not an engine's name"),
        ("engines:\n  a: {}", "engines.yaml:2: the engine `a` has no `url`"),
        ("engines:\n  a: {url: unix:///a, port: 1}", "unknown key `port` in the engine `a`; there are url, advertise"),
        ("engines:\n  a: {url: http://a}", "use unix:///path/of/docker.sock or tcp://host:port"),
        (
            "engines:\n  a: {url: unix:///a}\n  b: {url: unix:///a}",
            "engines.yaml:3: the engine `b` has the url of another one",
        ),
        (
            "engines:\n  a: {url: 'tcp://10.0.0.1:2375', publish_at: 10.0.0.1}",
            "add `tls`, or `insecure: true` if you mean it",
        ),
        ("engines:\n  a: {url: 'tcp://a.example.com:2375', insecure: true}", "has no `publish_at`: add an address"),
        (&with("ports: 9-1"), "engines.yaml:6: `ports`: write FIRST-LAST"),
        (&with("weight: 1001"), "`weight`: write a number from 0 to 1000"),
        (&with("advertise: 'a b'"), "`advertise`: "),
        (&with("labels: {disk: SSD}"), "\"SSD\" is not the key or the value of a label"),
        (&with(tls), "has `tls` and `insecure`: leave out one of them"),
        (&with("tls: {ca: ca.pem}").replace("insecure: true", ""), "`tls` has no `cert`"),
        (&with("tls: {ca: missing.pem, cert: cert.pem, key: key.pem}").replace("insecure: true", ""), "`tls`: `ca` "),
        (&format!("engines:\n  a: {{url: unix:///a, {tls}}}"), "has no TLS: leave out `tls`, or use tcp://"),
    ] {
        let found = mistake(text);
        assert!(found.contains(expected), "{text}\n{found}");
    }
    let many: String = (0..33).map(|at| format!("  e{at}: {{url: 'unix:///{at}'}}\n")).collect();
    assert!(mistake(&format!("engines:\n{many}")).contains("`engines` names 33; use 1 to 32"));
    let labels: Vec<String> = (0..17).map(|at| format!("l{at}: x")).collect();
    assert!(mistake(&with(&format!("labels: {{{}}}", labels.join(", ")))).contains("more than 16 labels"));
}

#[test]
fn a_login_needs_a_registry_a_name_and_a_password() {
    let with = |registries: &str| format!("engines: {{a: {{url: unix:///a}}}}\nregistries:\n  {registries}");
    for (text, expected) in [
        (
            "registry: {username: me, password_file: password}",
            "`registry` names no registry: write it as it stands in images",
        ),
        ("'registry.example.com/a': {username: me, password_file: password}", "names no registry"),
        ("registry.example.com: {password_file: password}", "has no `username`"),
        ("registry.example.com: {username: me}", "has no `password_file`"),
        ("registry.example.com: {username: me, password: x}", "there are username, password_file"),
        ("registry.example.com: {username: me, password_file: missing}", "`password_file` missing: No such file"),
        ("registry.example.com: {username: me, password_file: nothing}", "it is empty"),
        ("registry.example.com: {username: me, password_file: long}", "longer than 16384 bytes"),
    ] {
        let found = mistake(&with(text));
        assert!(found.contains(expected), "{text}\n{found}");
        assert!(!found.contains("swordfish"), "{found}");
    }
    let many: Vec<String> =
        (0..65).map(|at| format!("r{at}.example.com: {{username: me, password_file: password}}")).collect();
    assert!(mistake(&with(&many.join("\n  "))).contains("more than 64"));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = mistake(
        "
engines:
  a: {url: http://a, ports: 9-1, weight: many, labels: {disk: SSD}, advertise: 'a b', publish_at: here, insecure: soon}
  b: {ports: x, tls: {ca: missing.pem, cert: nowhere.pem}}
  c: {url: unix:///c, weight: -1}
  d: {url: unix:///c, ports: 1}
registries:
  registry.example.com: {password_file: nothing}
  other.example.com: {username: [], password_file: missing}
",
    );
    let expected = [
        ":3: the engine `a`: ",
        ":3: `ports`",
        ":3: `weight`",
        ":3: \"SSD\"",
        ":3: `advertise`",
        ":3: `publish_at`",
        ":3: `insecure`",
        ":4: the engine `b` has no `url`",
        ":4: `ports`",
        "missing.pem must be",
        "nowhere.pem must be",
        ":4: `tls` has no `key`",
        ":5: `weight`",
        ":6: the engine `d` has the url of another one",
        ":6: `ports`",
        ":8: the registry `registry.example.com` has no `username`",
        ":8: the registry `registry.example.com`, `password_file` nothing: it is empty",
        ":9: `username` has to be a text",
        ":9: the registry `other.example.com`, `password_file` missing",
    ];
    for expected in expected {
        assert!(found.contains(expected), "{expected}\n{found}");
    }
    assert_eq!(found.lines().count(), expected.len() + 1, "{found}");
}

/// The host would wait for who writes into it.
#[test]
fn a_pipe_is_no_password_and_no_key() {
    let dir = folder();
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap();
    assert!(made.success());
    let login = "engines: {a: {url: unix:///a}}\nregistries: {default: {username: me, password_file: pipe}}";
    let tls = "engines: {a: {url: 'tcp://a:2376', publish_at: 10.0.0.1, tls: {ca: ca.pem, cert: cert.pem, key: pipe}}}";
    for text in [login, tls] {
        let file = dir.path().join("engines.yaml");
        fs::write(&file, text).unwrap();
        let Err(error) = read(&file) else { panic!("{text} was read") };
        assert!(error.to_string().contains("it is no regular file"), "{error}");
    }
}
