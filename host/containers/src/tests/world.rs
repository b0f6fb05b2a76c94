//! What a real engine does. These tests need one, and an image that it has with busybox in it, and leave nothing behind:
//!
//! ```text
//! tar --create bin/busybox bin/sh … | docker import - larder-test/busybox:1
//! LARDER_ENGINE=unix:///run/docker.sock LARDER_WORLD=1 cargo xtask test
//! ```

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use larder_domain::docker::{ContainerSpec, Image};
use larder_domain::ports::engine::{ContainerState, Engine, EngineError, NewContainer, Owner, Passage, StreamThrough};
use larder_domain::{OperationId, SecretString};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::{command, container_spec, owner};
use crate::DockerEngine;

const ENGINE: &str = "LARDER_ENGINE";
const IMAGE: &str = "LARDER_ENGINE_IMAGE";
const LONG: Duration = Duration::from_secs(60);

/// The engine, what is made in it, and its end.
struct World {
    engine: DockerEngine,
    image: Image,
    owner: Owner,
    network: String,
}

impl World {
    /// An engine, if there is one for tests; otherwise it is noted that the test was skipped.
    async fn new(test: &str) -> Option<Self> {
        let Ok(endpoint) = env::var(ENGINE) else {
            skipped(test);
            return None;
        };
        let image = env::var(IMAGE).unwrap_or_else(|_| "larder-test/busybox:1".into()).parse().unwrap();
        let engine = DockerEngine::connect(&endpoint).unwrap();
        assert_eq!(engine.has_image(&image).await, Ok(true), "make {image}, as is said above");
        let owner = owner();
        // Names of bridges are short, and those of networks may say more.
        let network = format!("larder-test-{}", owner.addon);
        engine.ensure_network(owner.installation, &network).await.unwrap();
        Some(Self { engine, image, owner, network })
    }

    fn spec(&self, name: &str, script: &str, more: &str) -> ContainerSpec {
        let script = serde_json::to_string(script).unwrap();
        let image = &self.image;
        container_spec(&format!(
            r#"{{"name":"{name}","image":"{image}","entrypoint":["/bin/sh","-c"],"command":[{script}],
                "memory_bytes":16777216,"stop_s":1{more}}}"#
        ))
    }

    fn name(&self, name: &str) -> String {
        format!("larder-test-{}-{name}", self.owner.addon)
    }

    fn new_container<'a>(&self, spec: &'a ContainerSpec, published: &[(u16, SocketAddr)]) -> NewContainer<'a> {
        NewContainer {
            full_name: self.name(spec.name.as_str()),
            owner: Owner { name: spec.name.clone(), ..self.owner.clone() },
            labels: BTreeMap::from([("larder.provider".into(), "test".into())]),
            spec,
            volumes: spec.mounts.iter().map(|m| (m.volume.clone(), self.name(m.volume.as_str()))).collect(),
            published: published.iter().copied().collect(),
            network: self.network.clone(),
            stream: None,
        }
    }

    /// Makes and starts a container that does this.
    async fn run(&self, spec: &ContainerSpec, published: &[(u16, SocketAddr)]) -> String {
        self.engine.create_container(self.new_container(spec, published)).await.unwrap();
        let name = self.name(spec.name.as_str());
        self.engine.start(&name).await.unwrap();
        name
    }

    async fn sh(&self, full_name: &str, script: &str) -> String {
        let output = self.engine.exec(full_name, command(&["/bin/sh", "-c", script], LONG)).await.unwrap();
        String::from_utf8(output.stdout.into_vec()).unwrap()
    }

    async fn ended(&self, full_name: &str) -> ContainerState {
        let mut events = self.engine.events(self.owner.installation).await.unwrap();
        loop {
            match self.engine.state(full_name).await.unwrap() {
                Some(state @ ContainerState::Exited { .. }) => return state,
                _ => drop(tokio::time::timeout(Duration::from_secs(2), events.next()).await),
            }
        }
    }

    /// Removes everything, and sees that it is gone.
    async fn end(self) {
        use larder_domain::docker::ObjectKind::{Container, Volume};
        let all = self.engine.objects(self.owner.installation, None).await.unwrap();
        for found in all.iter().filter(|found| found.kind == Container) {
            self.engine.remove_container(&found.full_name, Duration::ZERO).await.unwrap();
        }
        for found in all.iter().filter(|found| found.kind == Volume) {
            self.engine.remove_volume(&found.full_name).await.unwrap();
        }
        assert_eq!(self.engine.objects(self.owner.installation, None).await.unwrap(), []);
        self.engine.remove_network(self.owner.installation, &self.network).await.unwrap();
        assert!(!networks().await.contains(&self.network));
    }
}

/// To ask what the port has no words for.
fn session() -> crate::wire::Session {
    let endpoint = env::var(ENGINE).unwrap().parse().unwrap();
    crate::wire::Session::new(&endpoint, None, 1024 * 1024).unwrap()
}

/// The names of all networks.
async fn networks() -> Vec<String> {
    let all = session().docker.list_networks(None).await.unwrap();
    all.into_iter().filter_map(|network| network.name).collect()
}

fn skipped(test: &str) {
    eprintln!("{test} was skipped: set {ENGINE}=unix:///run/docker.sock, the endpoint of an engine for tests");
    if let Some(skips) = env::var_os("LARDER_TEST_SKIPS") {
        let mut file = File::options().append(true).create(true).open(skips).unwrap();
        file.write_all(format!("{test}\tit needs a Docker engine; set {ENGINE} to its endpoint\n").as_bytes()).unwrap();
    }
}

async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// What a server sends to whoever connects; it may need a moment to listen.
async fn heard(address: SocketAddr) -> String {
    for _ in 0..100 {
        let mut text = String::new();
        if let Ok(mut stream) = TcpStream::connect(address).await
            && stream.read_to_string(&mut text).await.is_ok()
            && !text.is_empty()
        {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody listens at {address}");
}

#[tokio::test]
async fn world_an_engine_is_described() {
    let Some(world) = World::new("world_an_engine_is_described").await else { return };
    let info = world.engine.info().await.unwrap();
    assert!(!info.version.is_empty() && !info.storage_driver.is_empty() && info.limits_memory, "{info:?}");
    assert!(info.api_version.starts_with("1."), "{info:?}");
    world.end().await;
}

#[tokio::test]
async fn world_a_container_lives_within_its_bounds() {
    let Some(world) = World::new("world_a_container_lives_within_its_bounds").await else { return };
    let more = r#","user":"1000:1000","read_only":true,"pids":20,"cpu_millis":500,"env":{"A":"b c"},
        "tmpfs":[{"path":"/scratch","bytes":1048576}],"mounts":[{"volume":"data","path":"/data"}],"ports":[80]"#;
    let spec = world.spec("main", "while true; do echo hello from $A | nc -l -p 80; done", more);
    let (engine, volume) = (&world.engine, world.name("data"));
    let data = Owner { name: "data".parse().unwrap(), ..world.owner.clone() };
    engine.create_volume(&volume, &data).await.unwrap();
    engine.create_volume(&volume, &data).await.unwrap();
    assert!(matches!(engine.create_volume(&volume, &owner()).await, Err(EngineError::Conflict(_))));

    let address = free_address().await;
    let name = world.run(&spec, &[(80, address)]).await;
    engine.start(&name).await.unwrap();
    let again = engine.create_container(world.new_container(&spec, &[])).await;
    assert!(matches!(again, Err(EngineError::Conflict(_))), "{again:?}");
    assert_eq!(engine.state(&name).await, Ok(Some(ContainerState::Running)));
    assert_eq!(heard(address).await, "hello from b c\n");

    let status = world.sh(&name, "cat /proc/self/status").await;
    for expected in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Uid:\t1000"] {
        assert!(status.contains(expected), "{expected}: {status}");
    }
    assert!(world.sh(&name, "cat /proc/1/cmdline").await.contains("init"));
    assert_eq!(world.sh(&name, "touch /x 2>/dev/null || touch /scratch/x && echo fine").await, "fine\n");
    let mounts = world.sh(&name, "busybox grep scratch /proc/mounts").await;
    let scratch = mounts.lines().find(|line| line.contains(" /scratch ")).unwrap();
    assert!(["rw", "nosuid", "nodev", "size=1024k"].iter().all(|option| scratch.contains(option)), "{scratch}");
    let found = engine.objects(world.owner.installation, Some(world.owner.addon)).await.unwrap();
    let names: Vec<_> = found.iter().map(|found| (found.full_name.as_str(), found.running)).collect();
    assert_eq!(names, [(name.as_str(), true), (volume.as_str(), false)]);
    assert_eq!((&found[1].owner, found[0].owner.name.as_str()), (&data, "main"));
    assert_eq!(engine.objects(world.owner.installation, Some(owner().addon)).await.unwrap(), []);

    for _ in 0..2 {
        engine.stop_container(&name, Duration::from_secs(1)).await.unwrap();
    }
    assert!(matches!(engine.state(&name).await, Ok(Some(ContainerState::Exited { .. }))));
    engine.stop_container("larder-nothing", Duration::from_secs(1)).await.unwrap();
    assert!(matches!(engine.remove_volume(&volume).await, Err(EngineError::Conflict(_))));
    engine.remove_container(&name, Duration::from_secs(1)).await.unwrap();
    engine.remove_container(&name, Duration::from_secs(1)).await.unwrap();
    assert_eq!(engine.state(&name).await, Ok(None));
    engine.remove_volume(&volume).await.unwrap();
    engine.remove_volume(&volume).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn world_commands_are_fed_heard_and_bounded() {
    let Some(world) = World::new("world_commands_are_fed_heard_and_bounded").await else { return };
    let spec = world.spec("main", "sleep 1000", "");
    let name = world.run(&spec, &[]).await;
    let mut exec = command(&["/bin/sh", "-c", "cat; echo $A >&2; id; exit 3"], LONG);
    exec.stdin = b"fed\n".to_vec().into();
    exec.env.insert("A".into(), SecretString::new("error"));
    exec.user = Some("1234".into());
    let output = world.engine.exec(&name, exec).await.unwrap();
    let text = String::from_utf8(output.stdout.into_vec()).unwrap();
    assert!(text.starts_with("fed\nuid=1234"), "{text}");
    assert_eq!((output.code, &*output.stderr, output.truncated), (3, &b"error\n"[..], false));

    // More than a socket holds, to a command that does not read it, and to one that echoes it.
    for (script, kept) in [("echo no", 3), ("cat", 1000)] {
        let mut exec = command(&["/bin/sh", "-c", script], LONG);
        exec.stdin = vec![b'x'; 3_000_000].into();
        let output = world.engine.exec(&name, exec).await.unwrap();
        assert_eq!((output.code, output.stdout.len(), output.truncated), (0, kept, kept == 1000), "{script}");
    }
    let output = world.engine.exec(&name, command(&["/bin/sh", "-c", "yes | head -c 5000000"], LONG)).await.unwrap();
    assert_eq!((output.code, output.stdout.len(), output.truncated), (0, 1000, true));

    let closed = command(&["/bin/sh", "-c", "exec >/dev/null 2>&1; sleep 1; exit 4"], LONG);
    assert_eq!(world.engine.exec(&name, closed).await.unwrap().code, 4);
    let absent = world.engine.exec(&name, command(&["/bin/absent"], LONG)).await;
    assert!(absent.as_ref().is_ok_and(|output| output.code == 126 || output.code == 127), "{absent:?}");
    for script in ["sleep 1000", "yes"] {
        let began = Instant::now();
        let slow = command(&["/bin/sh", "-c", script], Duration::from_secs(2));
        let error = world.engine.exec(&name, slow).await.unwrap_err();
        assert_eq!(error, EngineError::Failed("the command did not end within 2 s".into()));
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    let true_ = || command(&["/bin/true"], LONG);
    assert_eq!(world.engine.exec(&world.name("none"), true_()).await, Err(EngineError::Missing));
    let idle = world.spec("idle", "true", "");
    world.engine.create_container(world.new_container(&idle, &[])).await.unwrap();
    let error = world.engine.exec(&world.name("idle"), true_()).await;
    assert!(matches!(error, Err(EngineError::Conflict(_))), "{error:?}");
    world.end().await;
}

#[tokio::test]
async fn world_ends_are_told_apart() {
    let Some(world) = World::new("world_ends_are_told_apart").await else { return };
    let engine = &world.engine;
    let spec = world.spec("fails", "echo one; echo two; echo three >&2; exit 7", "");
    let fails = world.run(&spec, &[]).await;
    assert_eq!(world.ended(&fails).await, ContainerState::Exited { code: 7, out_of_memory: false });
    let mut words: Vec<String> = engine.last_words(&fails, 9, 999).await.unwrap().lines().map(Into::into).collect();
    words.sort();
    assert_eq!(words, ["one", "three", "two"]);
    assert_eq!(engine.last_words(&fails, 1, 999).await.unwrap().lines().count(), 1);
    assert_eq!(engine.last_words(&fails, 9, 3).await.unwrap().len(), 3);
    assert_eq!(engine.last_words(&world.name("none"), 9, 9).await, Err(EngineError::Missing));

    let spec = world.spec("eats", "exec tail /dev/zero", "");
    let eats = world.run(&spec, &[]).await;
    assert_eq!(world.ended(&eats).await, ContainerState::Exited { code: 137, out_of_memory: true });

    let mut spec = world.spec("absent", "x", "");
    spec.entrypoint = vec!["/bin/absent".into()];
    // It is the init of the container that does not find it, so starting went well.
    let absent = world.run(&spec, &[]).await;
    assert_eq!(world.ended(&absent).await, ContainerState::Exited { code: 127, out_of_memory: false });
    assert!(engine.last_words(&absent, 9, 999).await.unwrap().contains("/bin/absent"));

    let mut spec = world.spec("imageless", "x", "");
    spec.image = "larder-absent:1".parse().unwrap();
    let error = engine.create_container(world.new_container(&spec, &[])).await.unwrap_err();
    assert!(matches!(&error, EngineError::NoImage(text) if text.contains("larder-absent")), "{error:?}");
    assert_eq!(engine.start(&world.name("none")).await, Err(EngineError::Missing));
    assert_eq!(engine.has_image(&spec.image).await, Ok(false));

    let mut new = world.new_container(&spec, &[]);
    let spec = world.spec("lost", "x", "");
    (new.spec, new.full_name, new.network) = (&spec, world.name("lost"), "larder-absent".into());
    engine.create_container(new).await.unwrap();
    let error = engine.start(&world.name("lost")).await.unwrap_err();
    assert!(matches!(&error, EngineError::NetworkGone(text) if text.contains("larder-absent")), "{error:?}");
    world.end().await;
}

#[tokio::test]
async fn world_a_pull_from_nowhere_fails_in_time() {
    let Some(world) = World::new("world_a_pull_from_nowhere_fails_in_time").await else { return };
    let began = Instant::now();
    for image in ["127.0.0.1:9/absent:1", "registry.invalid/absent:1"] {
        let error = world.engine.pull(&image.parse().unwrap(), Duration::from_secs(15)).await.unwrap_err();
        assert!(matches!(error, EngineError::Failed(_)), "{image}: {error:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(35));
    world.end().await;
}

#[tokio::test]
async fn world_a_taken_address_is_told() {
    let Some(world) = World::new("world_a_taken_address_is_told").await else { return };
    let address = free_address().await;
    let (first, second) = (world.spec("first", "sleep 1000", ""), world.spec("second", "sleep 1000", ""));
    world.run(&first, &[(80, address)]).await;
    world.engine.create_container(world.new_container(&second, &[(80, address)])).await.unwrap();
    let error = world.engine.start(&world.name("second")).await.unwrap_err();
    assert!(matches!(error, EngineError::AddressTaken(_)), "by a container: {error:?}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let third = world.spec("third", "sleep 1000", "");
    let new = world.new_container(&third, &[(80, listener.local_addr().unwrap())]);
    world.engine.create_container(new).await.unwrap();
    let error = world.engine.start(&world.name("third")).await.unwrap_err();
    assert!(matches!(error, EngineError::AddressTaken(_)), "by the machine: {error:?}");
    drop(listener);
    world.engine.start(&world.name("third")).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn world_one_network_in_which_containers_are_alone() {
    let Some(world) = World::new("world_one_network_in_which_containers_are_alone").await else { return };
    let engine = &world.engine;
    let other = format!("{}-2", world.network);
    let all = (0..8).map(|_| engine.ensure_network(world.owner.installation, &other));
    for made in futures_util::future::join_all(all).await {
        made.unwrap();
    }
    engine.ensure_network(world.owner.installation, &other).await.unwrap();
    let foreign = engine.ensure_network(owner().installation, &other).await;
    assert!(matches!(foreign, Err(EngineError::Conflict(_))), "{foreign:?}");
    assert_eq!(networks().await.iter().filter(|network| **network == other).count(), 1);
    engine.remove_network(owner().installation, &other).await.unwrap();
    assert!(networks().await.contains(&other), "another's stays");
    engine.remove_network(world.owner.installation, &other).await.unwrap();
    assert!(!networks().await.contains(&other));
    engine.remove_network(world.owner.installation, &other).await.unwrap();
    let foreign = engine.ensure_network(world.owner.installation, "bridge").await;
    assert!(matches!(foreign, Err(EngineError::Conflict(_))), "{foreign:?}");

    let address = free_address().await;
    let server = world.spec("server", "while true; do echo hello | nc -l -p 80; done", "");
    world.run(&server, &[(80, address)]).await;
    assert_eq!(heard(address).await, "hello\n");
    let used = engine.remove_network(world.owner.installation, &world.network).await;
    assert!(matches!(used, Err(EngineError::Conflict(_))), "{used:?}");
    // Whether that is kept is the engine's business, which may have been told to leave the firewall alone.
    let inspected = session().docker.inspect_network(&world.network, None).await.unwrap();
    let options = inspected.options.unwrap_or_default();
    assert_eq!(options.get("com.docker.network.bridge.enable_icc").map(String::as_str), Some("false"), "{options:?}");
    world.end().await;
}

#[tokio::test]
async fn world_a_passage_leads_to_one_container_from_outside_of_it() {
    let Some(world) = World::new("world_a_passage_leads_to_one_container_from_outside_of_it").await else { return };
    let engine = &world.engine;
    let server = world.run(&world.spec("main", "while true; do echo hello | nc -l -p 80; done", ""), &[]).await;
    let passage = Passage { name: format!("{}-p", world.network), operation: OperationId::generate() };
    let way_out = world.sh(&server, "ip route | grep default").await;
    engine.open_passage(world.owner.installation, &passage, &server, "server").await.unwrap();
    assert_eq!(world.sh(&server, "ip route | grep default").await, way_out, "what it publishes is answered as before");
    assert_eq!(engine.passages(world.owner.installation).await.unwrap(), std::slice::from_ref(&passage));
    assert_eq!(engine.passages(owner().installation).await.unwrap(), [], "it is another installation's");

    let spec = world.spec("other", "nc server 80", "");
    let stream = Some(StreamThrough { operation: passage.operation, has_input: false, beside: None });
    let new = world.new_container(&spec, &[]);
    engine.create_container(NewContainer { stream, network: passage.name.clone(), ..new }).await.unwrap();
    let mut streams = engine.attach(&world.name("other"), false).await.unwrap();
    engine.start(&world.name("other")).await.unwrap();
    let mut said = Vec::new();
    while let Some(piece) = streams.read().await.unwrap() {
        said.extend(piece);
    }
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said, "hello\n");

    // Also with somebody in it, and with a container in it that does not run: that one is to start again.
    engine.stop_container(&server, Duration::ZERO).await.unwrap();
    engine.close_passage(&passage.name).await.unwrap();
    engine.close_passage(&passage.name).await.unwrap();
    assert_eq!(engine.passages(world.owner.installation).await.unwrap(), []);
    engine.start(&server).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn world_events_tell_of_ours() {
    let Some(world) = World::new("world_events_tell_of_ours").await else { return };
    let Some(others) = World::new("world_events_tell_of_ours").await else { return };
    let mut events = world.engine.events(world.owner.installation).await.unwrap();
    let spec = world.spec("main", "exit 1", "");
    others.run(&others.spec("main", "true", ""), &[]).await;
    let name = world.run(&spec, &[]).await;
    world.ended(&name).await;
    world.engine.remove_container(&name, Duration::ZERO).await.unwrap();
    let mut actions = vec![];
    while actions.last().is_none_or(|action| action != "destroy") {
        let event = tokio::time::timeout(LONG, events.next()).await.unwrap().unwrap();
        assert_eq!(event.addon, world.owner.addon);
        actions.push(event.action);
    }
    for action in ["create", "start", "die", "destroy"] {
        assert!(actions.iter().any(|told| told == action), "{action}: {actions:?}");
    }
    others.end().await;
    world.end().await;
}
