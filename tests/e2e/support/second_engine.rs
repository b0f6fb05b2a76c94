//! A Docker engine of one test's own, beside the one of all tests: at a port of this machine, for nobody but whoever has a
//! certificate.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tempfile::TempDir;

use super::{Engine, until};

/// What it has of images: enough to have a container.
const IMAGE: &str = "larder-test/busybox:1";

/// The engine, ended when dropped with all that it has.
pub(crate) struct SecondEngine {
    dir: TempDir,
    port: u16,
    daemon: Child,
}

impl SecondEngine {
    /// Starts one, with an image that the other one has.
    pub(crate) async fn start(other: &Engine) -> Self {
        let dir = TempDir::new().unwrap();
        write_proofs(&dir);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let daemon = daemon(&dir, port).spawn().unwrap();
        let engine = Self { dir, port, daemon };
        let said = || fs::read_to_string(engine.file("dockerd.log")).unwrap_or_default();
        let answers = || async {
            assert!(!said().contains("failed to start daemon"), "{}", said());
            engine.try_docker(&["version"]).ok()
        };
        until("the second engine to be ready", answers).await;
        let archive = engine.file("image.tar");
        let archive = archive.to_str().unwrap();
        other.docker(&["save", "--output", archive, IMAGE]);
        engine.docker(&["load", "--quiet", "--input", archive]);
        engine
    }

    pub(crate) fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// One of its files: `ca.pem`, `cert.pem` and `key.pem` are what its clients need.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What `docker` prints.
    pub(crate) fn docker(&self, words: &[&str]) -> String {
        self.try_docker(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    fn try_docker(&self, words: &[&str]) -> Result<String, String> {
        let mut docker = Command::new("docker");
        docker.args(["--host", &self.url(), "--tlsverify"]);
        for (option, file) in [("--tlscacert", "ca.pem"), ("--tlscert", "cert.pem"), ("--tlskey", "key.pem")] {
            docker.arg(option).arg(self.file(file));
        }
        let output = docker.args(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// The containers of an addon, running or not.
    pub(crate) fn containers(&self, addon: &str) -> Vec<String> {
        let filter = format!("label=larder.addon={addon}");
        self.docker(&["ps", "--all", "--quiet", "--filter", &filter]).lines().map(str::to_owned).collect()
    }
}

impl Drop for SecondEngine {
    fn drop(&mut self) {
        if let Ok(all) = self.try_docker(&["ps", "--all", "--quiet"]) {
            let all: Vec<&str> = all.lines().collect();
            let _removed = self.try_docker(&[&["rm", "--force", "--volumes"], all.as_slice()].concat());
        }
        // Their bridges would stay on this machine.
        let _pruned = self.try_docker(&["network", "prune", "--force"]);
        let _asked = Command::new("kill").args(["-TERM", &self.daemon.id().to_string()]).status();
        let _ended = self.daemon.wait();
    }
}

fn daemon(dir: &TempDir, port: u16) -> Command {
    let at = |name: &str| dir.path().join(name);
    fs::write(at("daemon.json"), "{}").unwrap();
    let log = File::create(at("dockerd.log")).unwrap();
    let mut dockerd = Command::new("dockerd");
    for (option, file) in [
        ("--data-root", "data"),
        ("--exec-root", "exec"),
        ("--pidfile", "dockerd.pid"),
        ("--config-file", "daemon.json"),
        ("--tlscacert", "ca.pem"),
        ("--tlscert", "engine.pem"),
        ("--tlskey", "engine-key.pem"),
    ] {
        dockerd.arg(option).arg(at(file));
    }
    dockerd
        .args(["--tlsverify", "--host", &format!("tcp://127.0.0.1:{port}")])
        .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"])
        .args(["--default-address-pool", "base=10.198.0.0/16,size=24"])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    dockerd
}

/// An authority, and what it signs for the engine and for its clients.
fn write_proofs(dir: &TempDir) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
    write("ca.pem", authority.pem());
    for (name, certificate, own, purpose) in [
        ("127.0.0.1", "engine.pem", "engine-key.pem", ExtendedKeyUsagePurpose::ServerAuth),
        ("larder", "cert.pem", "key.pem", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        write(certificate, params.signed_by(&key, &authority).unwrap().pem());
        write(own, key.serialize_pem());
    }
}
