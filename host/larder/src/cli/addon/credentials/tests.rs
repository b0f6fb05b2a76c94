//! Credentials as providers give them, and as they should not.

use super::*;

/// Credentials of the addon `web/db`.
pub(in crate::cli::addon) fn credentials(parts: &[(&str, &str)]) -> Credentials {
    let secret = |key: &str| matches!(key, "uri" | "password" | "token");
    let part = |&(key, value): &(&str, &str)| Credential { key: key.into(), value: value.into(), secret: secret(key) };
    Credentials::new("web/db".into(), parts.iter().map(part).collect())
}

#[test]
fn parts_come_before_those_of_the_uri() {
    let told = credentials(&[("uri", "redis://ann:p%40ss@h:1/7?ssl=true"), ("hostname", "other"), ("port", "2")]);
    assert_eq!(told.endpoint().unwrap().to_string(), "other:2");
    assert_eq!((told.username(), told.password()), (Some("ann".into()), Some("p@ss".into())));
    assert_eq!((told.database(), told.protocol().as_str()), (Some("7".into()), "redis"));
    assert_eq!((told.option("ssl"), told.option("tls")), (Some("true".into()), None));
    let told = credentials(&[("uri", "redis://[::1]:1"), ("password", "x"), ("protocol", "Redis")]);
    assert_eq!(told.endpoint().unwrap().to_string(), "[::1]:1");
    assert_eq!((told.username(), told.password(), told.database()), (None, Some("x".into()), None));
}

#[test]
fn a_name_in_an_apps_network_is_reached_from_outside_of_it() {
    let place =
        |host: &str| Place { name: "server.1f.larder".into(), port: 6379, host: host.into(), published: 21_003 };
    for (host, expected) in [("127.0.0.1", "127.0.0.1:21003"), ("[::1]", "[::1]:21003")] {
        let told = credentials(&[("uri", "redis://:p@server.1f.larder:6379/0")]);
        assert_eq!(told.endpoint().unwrap().to_string(), "server.1f.larder:6379");
        let told = Credentials { places: vec![place(host)], ..told };
        assert_eq!(told.endpoint().unwrap().to_string(), expected);
    }
    let other = credentials(&[("hostname", "server.1f.larder"), ("port", "80")]);
    let other = Credentials { places: vec![place("127.0.0.1")], ..other };
    assert_eq!(other.endpoint().unwrap().to_string(), "server.1f.larder:80", "another port is published elsewhere");
}

#[test]
fn a_host_that_a_program_would_take_for_something_else_is_refused() {
    for (host, port) in
        [("-oProxy", "1"), ("/tmp", "1"), ("a,b", "1"), ("a b", "1"), ("", "1"), ("h", "0"), ("h", "70000"), ("h", "x")]
    {
        let failure = credentials(&[("hostname", host), ("port", port)]).endpoint().unwrap_err();
        assert_eq!(failure.code, "no_endpoint", "{host} {port}");
    }
}

#[test]
fn an_addon_without_credentials_tells_its_state() {
    let addon =
        |state: &str| Addon { app: Some("web".into()), name: "db".into(), state: state.into(), ..Addon::default() };
    assert!(none(&addon("provisioned")).detail.contains("`provisioned`"));
    assert!(!none(&addon("ready")).advice.unwrap().contains("wait"));
}

#[test]
fn broken_escapes_are_kept() {
    assert_eq!(decoded("a%4"), Some("a%4".into()));
    assert_eq!(decoded("%zz%41"), Some("%zzA".into()));
    assert_eq!((decoded("%ff"), decoded("")), (None, None));
}

#[test]
fn what_points_to_this_machine_is_known() {
    let is_loopback = |host: &str| Endpoint { host: host.into(), port: 1 }.is_loopback();
    assert!(is_loopback("localhost") && is_loopback("127.0.0.2") && is_loopback("::1"));
    assert!(!is_loopback("10.0.0.1") && !is_loopback("db.internal"));
}
