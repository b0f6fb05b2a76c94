//! A provider with a client in pure Rust, and a real PostgreSQL server: over `std::net::TcpStream`, and secured by the host's TLS.

use serde_json::{Value, json};

use crate::support::{Host, Postgres, may_change_the_machine};

fn asks(name: &str, server: &Postgres, password: &str, tls: bool) -> Value {
    let parameters =
        json!({ "host": "127.0.0.1", "port": server.port, "user": "postgres", "password": password, "tls": tls });
    json!({ "service": "postgres-version", "name": name, "attach_as": name, "parameters": parameters })
}

/// Grants what the provider needs to reach the server.
fn let_in(host: &Host, server: &Postgres) {
    let destination = format!("tcp://127.0.0.1:{}", server.port);
    let (code, _, error) = host.cli(&["provider", "grant", "postgres-client", &destination]);
    assert_eq!(code, 0, "{error}");
}

#[tokio::test]
async fn world_a_provider_logs_in_to_postgresql_in_the_clear_and_secured() {
    let name = "world_a_provider_logs_in_to_postgresql_in_the_clear_and_secured";
    if !may_change_the_machine(name, "installs PostgreSQL as root") {
        return;
    }
    let server = Postgres::start();
    let host = Host::start_trusting(&["postgres-client"], &server.authority()).await;
    let_in(&host, &server);

    for (name, tls, secured) in [("plain", false, "f"), ("secured", true, "t")] {
        let made = host.create_and_wait(asks(name, &server, Postgres::PASSWORD, tls)).await.expect(201);
        assert_eq!(made["state"], "ready", "{made}");
        let variables = host.variables().await;
        let of = |variable: &str| variables[format!("{}_POSTGRES_{variable}", name.to_uppercase())].as_str().unwrap();
        assert_eq!(of("SECURED"), secured);
        assert!(of("VERSION").starts_with(|c: char| c.is_ascii_digit()), "{variables}");
    }
    let refused = host.create_and_wait(asks("wrong", &server, "battery staple", true)).await.expect(200);
    let reason = refused["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("password authentication failed"), "{refused}");
}

#[tokio::test]
async fn world_a_server_that_nobody_vouches_for_is_not_told_a_password() {
    let name = "world_a_server_that_nobody_vouches_for_is_not_told_a_password";
    if !may_change_the_machine(name, "installs PostgreSQL as root") {
        return;
    }
    let server = Postgres::start();
    let host = Host::start(&["postgres-client"]).await;
    let_in(&host, &server);
    let refused = host.create_and_wait(asks("secured", &server, Postgres::PASSWORD, true)).await.expect(200);
    assert!(refused["error"]["reason"].as_str().unwrap().contains("can't be secured"), "{refused}");
}
