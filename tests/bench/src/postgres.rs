//! A PostgreSQL server of a measurement's own, in a container, with a database for each installation.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::server::pause;

const IMAGE: &str = "larder-test/postgres:1";
const PASSWORD: &str = "larder";
/// How long the server may take to start.
const START_MAX: Duration = Duration::from_secs(60);

/// A server, removed when dropped.
pub(crate) struct Postgres {
    engine: String,
    container: String,
    address: String,
}

impl Postgres {
    /// Starts one as it comes, durable; none where there is no engine.
    pub(crate) fn start() -> Result<Option<Self>> {
        let Ok(engine) = std::env::var("LARDER_ENGINE") else {
            eprintln!("the rows of PostgreSQL are left out: there is no engine here");
            return Ok(None);
        };
        let run = ["run", "--detach", "--env=POSTGRES_PASSWORD=larder", "--shm-size=256m"];
        let settings = ["-c", "max_connections=200", "-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB"];
        let container = said(&engine, &[&run[..], &[IMAGE], &settings].concat())?;
        let mut server = Self { engine, container, address: String::new() };
        // Where it is itself: what passes a published port on would take a core's share of its own.
        let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        server.address = said(&server.engine, &["inspect", "--format", address, &server.container])?;
        let started = Instant::now();
        // What sets up the image takes nobody from outside.
        while server.exec(&["pg_isready", "--host=127.0.0.1", "--username=postgres"]).is_err() {
            if started.elapsed() > START_MAX {
                bail!("PostgreSQL did not start");
            }
            pause(Duration::from_millis(100));
        }
        Ok(Some(server))
    }

    /// Makes a database: its url.
    pub(crate) fn database(&self, name: &str) -> Result<String> {
        self.says("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(format!("postgres://postgres:{PASSWORD}@{}/{name}?sslmode=disable", self.address))
    }

    /// What a database says to a statement.
    pub(crate) fn says(&self, database: &str, sql: &str) -> Result<String> {
        self.exec(&["psql", "--username=postgres", "-Atq", database, "-c", sql])
    }

    fn exec(&self, words: &[&str]) -> Result<String> {
        said(&self.engine, &[&["exec", &self.container], words].concat())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = said(&self.engine, &["rm", "--force", "--volumes", &self.container]) {
            eprintln!("the container {} is left: {error}", self.container);
        }
    }
}

/// What `docker` prints.
fn said(engine: &str, words: &[&str]) -> Result<String> {
    let output = Command::new("docker").args(["--host", engine]).args(words).output()?;
    ensure!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
