//! A PostgreSQL server of a test's own: a fresh cluster, which knows one password and has a certificate.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::world::{install, run};

/// The superuser's password.
const PASSWORD: &str = "correct horse";

/// A server, stopped when dropped.
pub(crate) struct Postgres {
    dir: TempDir,
    server: Child,
    pub(crate) port: u16,
}

impl Postgres {
    pub(crate) const PASSWORD: &str = PASSWORD;

    /// Installs Debian's packages if they are not there, and starts a server on loopback.
    pub(crate) fn start() -> Self {
        let binaries = binaries();
        let dir = TempDir::new().unwrap();
        certify(dir.path());
        fs::write(dir.path().join("password"), PASSWORD).unwrap();
        let data = dir.path().join("data");
        run(as_postgres(&binaries.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "scram-sha-256"])
            .arg(format!("--pwfile={}", dir.path().join("password").display())));
        // Taken and given back: nobody else is told this number meanwhile.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = |name: &str| dir.path().join(name).display().to_string();
        let mut server = as_postgres(&binaries.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={port}"), "-c", "ssl=on"])
            .args(["-c", &format!("unix_socket_directories={}", dir.path().display())])
            .args(["-c", &format!("ssl_cert_file={}", file("server.pem"))])
            .args(["-c", &format!("ssl_key_file={}", file("server.key"))])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(server.stderr.take().unwrap()).lines();
        let ready = said.by_ref().any(|line| line.unwrap().contains("ready to accept connections"));
        assert!(ready, "the server ended instead of listening");
        // It must not be held up by words that nobody reads.
        std::thread::spawn(move || said.for_each(drop));
        Self { dir, server, port }
    }

    /// What it says to a statement of the superuser's.
    pub(crate) fn says(&self, sql: &str) -> String {
        self.runs("postgres", sql)
    }

    /// A session of the superuser's, which reads what it is to say.
    pub(crate) fn session(&self, database: &str) -> Command {
        let mut psql = Command::new(binaries().join("psql"));
        psql.args(["--host=127.0.0.1", "--port", &self.port.to_string(), "-Upostgres", "-Atq", database]);
        psql.env("PGPASSWORD", PASSWORD);
        psql
    }

    /// What one of its databases says to statements of the superuser's.
    pub(crate) fn runs(&self, database: &str, sql: &str) -> String {
        let said = self.session(database).args(["-c", sql]).output().unwrap();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }

    /// What puts a statement of the superuser's to it.
    pub(crate) fn asks(&self, sql: &str) -> Command {
        let mut psql = self.session("postgres");
        psql.args(["-c", sql]);
        psql
    }

    /// All that a database holds, as SQL.
    pub(crate) fn dump(&self, database: &str) -> String {
        let mut dump = Command::new(binaries().join("pg_dump"));
        dump.args(["--host=127.0.0.1", "--port", &self.port.to_string(), "-Upostgres", database]);
        let said = dump.env("PGPASSWORD", PASSWORD).output().unwrap();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    }

    /// Who vouches for its certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Fast shutdown, so that no process of it stays.
        let asked = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        if asked.is_ok_and(|status| status.success()) {
            let _reaped = self.server.wait();
        }
    }
}

/// Where the programs are, which are installed if they are not there.
fn binaries() -> PathBuf {
    installed().unwrap_or_else(|| {
        // The package would start a server of its own otherwise.
        fs::create_dir_all("/etc/postgresql-common").unwrap();
        let settings = Path::new("/etc/postgresql-common/createcluster.conf");
        if !settings.exists() {
            fs::write(settings, "create_main_cluster = false\n").unwrap();
        }
        install(&["postgresql"]);
        installed().unwrap()
    })
}

fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    folders.filter(|folder| folder.join("initdb").is_file()).max()
}

/// An authority, and a certificate of `127.0.0.1` that it vouches for.
fn certify(dir: &Path) {
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    fs::write(dir.join("authority.pem"), authority.pem()).unwrap();
    fs::write(dir.join("server.pem"), certificate.pem()).unwrap();
    // The server insists that nobody else may read it.
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join("server.key")).unwrap();
    file.write_all(key.serialize_pem().as_bytes()).unwrap();
}

/// Runs a program as the user `postgres`, since the server refuses to run as root: in a namespace where that is another name of the
/// user that runs the tests. So it can go wherever they can.
fn as_postgres(program: &Path) -> Command {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user: Vec<&str> = users.lines().find(|line| line.starts_with("postgres:")).unwrap().split(':').collect();
    let mut command = Command::new("unshare");
    command.arg("--user").arg(format!("--map-user={}", user[2])).arg(format!("--map-group={}", user[3]));
    command.arg(program).current_dir("/");
    command
}
