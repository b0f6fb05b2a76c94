//! A provider that logs in to a PostgreSQL server: over Rust's own `TcpStream`, or secured by the host's TLS. It shows that a client in
//! pure Rust works in the sandbox, and what little it takes.

mod session;

use std::net::TcpStream;

use larder_sdk::net::Connection;
use larder_sdk::{
    Addon, Config, Failure, Manifest, Options, Plan, Progress, Provider, Request, Service, export, state,
};
use serde::Deserialize;
use serde_json::json;

use crate::session::Session;

struct PostgresClient;

/// Where the server is, and who logs in.
#[derive(Deserialize)]
struct Server {
    host: String,
    port: u16,
    user: String,
    password: String,
    tls: bool,
}

impl Provider for PostgresClient {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let parameters = json!({
            "type": "object",
            "properties": {
                "host": { "type": "string" },
                "port": { "type": "integer" },
                "user": { "type": "string" },
                "password": { "type": "string" },
                "tls": { "type": "boolean" },
            },
        });
        let service = Service::new("postgres-version", "Which PostgreSQL there is")
            .variable("POSTGRES_VERSION")
            .variable("POSTGRES_SECURED")
            .plan(Plan::new("default", "The only size").parameters(parameters));
        Ok(Manifest::new("0.1.0", "Logs in to a PostgreSQL server")
            .service(service)
            // Loopback alone: what tests can reach.
            .request(Request::optional("network", "tcp://127.0.0.0/8:1-65535", "to log in to the server")))
    }

    fn provision_complete(addon: &Addon) -> Result<Progress, Failure> {
        // A check before a version serves is about no server.
        let Ok(server) = addon.parameters() else { return Ok(Progress::Done) };
        let (version, is_secured) = ask(&server)?;
        state::set("version", &version)?;
        state::set("secured", &is_secured)?;
        Ok(Progress::Done)
    }

    fn get_config(_addon: &Addon) -> Result<Config, Failure> {
        let kept = |key: &str| state::get_text(key).map(Option::unwrap_or_default);
        Ok(Config::new().variable("POSTGRES_VERSION", kept("version")?).variable("POSTGRES_SECURED", kept("secured")?))
    }
}

/// The server's version, and whether it says that the session is secured.
fn ask(server: &Server) -> Result<(String, String), Failure> {
    const QUERY: &str = "SELECT current_setting('server_version'), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = if server.tls {
        let mut connection = Connection::connect(&server.host, server.port)?;
        session::request_tls(&mut connection)?;
        connection.start_tls()?;
        Session::log_in(connection, &server.user, &server.password)?.row(QUERY)?
    } else {
        let stream = TcpStream::connect((server.host.as_str(), server.port)).map_err(session::failed)?;
        Session::log_in(stream, &server.user, &server.password)?.row(QUERY)?
    };
    match <[String; 2]>::try_from(row) {
        Ok([version, is_secured]) => Ok((version, is_secured)),
        Err(row) => Err(Failure::failed(format!("the server gave {} columns", row.len()))),
    }
}

export!(PostgresClient);
