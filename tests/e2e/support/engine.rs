//! A real Docker engine, with images that were made for tests.

use std::env;
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use super::{Host, Tripwire, guest, until};

/// The ports that hosts of tests may give to containers: below those that the system gives to whoever asks for any.
const PORTS: Range<u32> = 20_000..32_000;
/// How many of them one host has.
const PORTS_OF_ONE: u32 = 50;

/// The engine that the tests were given.
pub(crate) struct Engine {
    endpoint: String,
}

impl Engine {
    /// The engine, if there is one; otherwise the test is noted as skipped.
    pub(crate) fn for_test(test: &str) -> Option<Self> {
        if !super::may_change_the_machine(test, "needs a Docker engine") {
            return None;
        }
        match env::var("LARDER_ENGINE") {
            Ok(endpoint) => Some(Self { endpoint }),
            Err(_) => {
                super::world::skip(test, "there is no Docker engine here: `cargo xtask engine start` says why");
                None
            }
        }
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The same engine behind a wire, for a host.
    pub(crate) fn behind(wire: &Tripwire) -> Self {
        Self { endpoint: wire.endpoint() }
    }

    /// A fresh host on this engine, without providers.
    pub(crate) async fn host(&self) -> Host {
        self.host_told(&[]).await
    }

    /// A fresh host on this engine that keeps deleted addons for a day, without providers.
    pub(crate) async fn host_that_keeps(&self) -> Host {
        self.host_told(&["--delete-grace", "1d"]).await
    }

    async fn host_told(&self, more: &[&str]) -> Host {
        let words = ["--engine", &self.endpoint, "--engine-ports", &ports()];
        let host = Host::empty_with(&[&words[..], more].concat()).await;
        host.put("/v1/apps/demo", json!({})).await.expect(201);
        host
    }

    /// A fresh host with a shipped provider that uses the image made for tests.
    pub(crate) async fn host_with(&self, provider: &str, image: &str) -> Host {
        let host = self.host().await;
        self.install(&host, provider, image).await;
        host
    }

    /// Installs a shipped provider that uses the image made for tests.
    pub(crate) async fn install(&self, host: &Host, provider: &str, image: &str) {
        host.upload(provider, guest(provider)).await;
        let mut image = format!("larder-test/{image}:1");
        if provider == "mysql" {
            // Its releases have two numbers, and it asks for them.
            let whole = format!("{image}.0");
            self.docker(&["tag", &image, &whole]);
            image = whole;
        }
        for words in [&["options", provider, &format!("image={image}")][..], &["grant", provider, "--all"]] {
            host.provider(words);
        }
    }

    /// Installs a shipped provider that has no options, with all that it asks for.
    pub(crate) async fn install_as_it_is(&self, host: &Host, provider: &str) {
        host.upload(provider, guest(provider)).await;
        host.provider(&["grant", provider, "--all"]);
    }

    /// A fresh host with the test guest `crane`, which may have this.
    pub(crate) async fn host_with_crane(&self, grants: &[&str]) -> Host {
        let host = self.host().await;
        host.upload("crane", guest("crane")).await;
        let requests = json!({ "requests": grants }).to_string();
        for words in [&["options", "crane", "--json-options", &requests][..], &["grant", "crane", "--all"]] {
            host.provider(words);
        }
        host
    }

    /// What `docker` prints.
    pub(crate) fn docker(&self, words: &[&str]) -> String {
        self.try_docker(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// What `docker` prints, or what it complains of.
    pub(crate) fn try_docker(&self, words: &[&str]) -> Result<String, String> {
        let output = Command::new("docker").args(["--host", &self.endpoint]).args(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// The containers of an addon, running or not.
    pub(crate) fn containers(&self, addon: &str) -> Vec<String> {
        self.ids(&["ps", "--all", "--quiet"], addon)
    }

    /// The volumes of an addon.
    pub(crate) fn volumes(&self, addon: &str) -> Vec<String> {
        self.ids(&["volume", "ls", "--quiet"], addon)
    }

    fn ids(&self, words: &[&str], addon: &str) -> Vec<String> {
        let filter = format!("label=larder.addon={addon}");
        self.docker(&[words, &["--filter", &filter]].concat()).lines().map(str::to_owned).collect()
    }

    /// A container as the engine describes it.
    pub(crate) fn describe(&self, container: &str) -> Value {
        serde_json::from_str::<Value>(&self.docker(&["inspect", container])).unwrap()[0].clone()
    }

    /// Deletes a common server as soon as its addons have left it, and waits until nothing of it is left.
    pub(crate) async fn remove_server(&self, host: &Host, server: &str) {
        let deleted = async || (host.delete(&format!("/v1/addons/{server}")).await.status == 202).then_some(());
        until("the server to be deleted", deleted).await;
        self.is_rid_of(server).await;
    }

    /// Waits until nothing of an addon is left.
    pub(crate) async fn is_rid_of(&self, addon: &str) {
        let gone = async || (self.containers(addon).is_empty() && self.volumes(addon).is_empty()).then_some(());
        until("the addon's objects to be gone", gone).await;
    }
}

/// Ports of a host's own. Hosts of other tests are on the engine too, and would take one that is free while its container is made anew.
fn ports() -> String {
    static HOSTS: AtomicU32 = AtomicU32::new(0);
    let nth = std::process::id().wrapping_mul(37).wrapping_add(HOSTS.fetch_add(1, Relaxed));
    let first = PORTS.start + nth % ((PORTS.end - PORTS.start) / PORTS_OF_ONE) * PORTS_OF_ONE;
    format!("{first}-{}", first + PORTS_OF_ONE - 1)
}
