//! One life of a host: the real use cases and the real worker over the real store, in a runtime whose time goes by when nobody has
//! anything to do. It ends when the host dies, or when everything is at rest; then the runtime goes, with every task where it stands.
//! Where there are several nodes, each of them dies by itself and is started again, while the others go on: what is left of its tasks
//! reaches nothing any more.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder_control::worker::watch_engines;
use larder_control::{Control, EngineSettings, NamedEngine, Worker, WorkerConfig};
use larder_domain::WallTime;
use larder_domain::engines::EngineLabels;
use larder_domain::network::Host;
use larder_domain::ports::{SealError, Sealer};
use larder_store::{Clock, SqlStore};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::chaos;
use crate::engine::ShakyEngine;
use crate::guest::{Guests, IMAGE};
use crate::plants::Plant;
use crate::seat::Seat;
use crate::sink::Platform;
use crate::store::Shaky;
use crate::world::World;
use crate::{invariants, rest, users};

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The host is to be started again.
    Died,
    /// Everything has come to its end.
    Rested,
}

/// How long it takes at least until a node is started again, and at most, in milliseconds.
const DOWN_MS: std::ops::RangeInclusive<u64> = 10..=20_000;

/// Lives one life.
pub(crate) fn live(world: &Arc<World>) -> End {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let end = runtime.block_on(async {
        world.is_born();
        let end = tokio::select! {
            biased;
            () = world.ends.notified() => End::Died,
            end = life(world) => end,
        };
        world.is_over();
        end
    });
    drop(runtime);
    end
}

/// What a node is made of.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) raw: Arc<SqlStore>,
    pub(crate) control: Control,
    pub(crate) seat: Seat,
    _stop: Arc<watch::Sender<bool>>,
}

/// The nodes of one life of the whole.
#[derive(Clone)]
pub(crate) struct Nodes(Arc<Mutex<Vec<Node>>>);

impl Nodes {
    async fn start(world: &Arc<World>) -> Self {
        let mut nodes = vec![];
        for node in 0..world.plan.nodes {
            nodes.push(start(world, node).await);
        }
        Self(Arc::new(Mutex::new(nodes)))
    }

    /// One that lives.
    pub(crate) async fn any(&self, world: &World) -> Node {
        loop {
            let living: Vec<_> = self.0.lock().unwrap().iter().filter(|node| !node.seat.is_gone()).cloned().collect();
            if !living.is_empty() {
                let at = world.within(0..=59);
                return living[usize::try_from(at).unwrap() % living.len()].clone();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Starts again whichever dies.
    async fn keep(&self, world: &Arc<World>) {
        loop {
            let dead = self.0.lock().unwrap().iter().position(|node| node.seat.is_gone());
            let Some(at) = dead else {
                world.node_ends.notified().await;
                continue;
            };
            let down_ms = world.within(DOWN_MS);
            tokio::time::sleep(Duration::from_millis(down_ms)).await;
            let node = start(world, at).await;
            self.0.lock().unwrap()[at] = node;
        }
    }
}

/// Starts a node.
pub(crate) async fn start(world: &Arc<World>, node: usize) -> Node {
    let clock = Arc::new(Clockwork { start: Instant::now(), wall_ms: world.now_ms() });
    let seat = Seat::take(world, node);
    let store = {
        let database = world.database.lock().unwrap();
        match world.plan.nodes {
            1 => SqlStore::in_memory(&database, Arc::new(Open), clock),
            _ => {
                let name = format!("node-{node}").parse().unwrap();
                SqlStore::in_memory_among_others(&database, name, Arc::new(Open), clock)
            }
        }
    };
    let raw = Arc::new(store.unwrap());
    invariants::at_start(world, &raw).await;
    let store = Arc::new(Shaky { inner: Arc::clone(&raw), world: seat.clone() });
    let guests = Arc::new(Guests::new(seat.clone(), Arc::clone(&raw)));
    let engine = Arc::new(ShakyEngine { world: seat.clone(), raw: Arc::clone(&raw) });
    let control = Control::new(store, guests, Arc::new(Platform(seat.clone())))
        .with_engines(vec![NamedEngine::new(engine, engine_settings())])
        .with_delete_grace(world.plan.grace);
    world.engine.add_image(&IMAGE.parse().unwrap());
    let (stop, stopped) = watch::channel(false);
    let config = WorkerConfig { look_every: world.plan.look_every, ..WorkerConfig::default() };
    tokio::spawn(Worker::new(control.clone(), config).run(stopped.clone()));
    if world.plant != Some(Plant::NoSweep) {
        tokio::spawn(watch_engines(control.clone(), stopped));
    }
    Node { raw, control, seat, _stop: Arc::new(stop) }
}

async fn life(world: &Arc<World>) -> End {
    let nodes = Nodes::start(world).await;
    let keeping = tokio::spawn({
        let (nodes, world) = (nodes.clone(), Arc::clone(world));
        async move { nodes.keep(&world).await }
    });
    let chaos = tokio::spawn(chaos::live(Arc::clone(world), nodes.clone()));
    users::live(world, &nodes).await;
    if !world.is_calm() {
        tokio::time::sleep(Duration::from_millis(world.within(0..=60_000))).await;
        world.calm_down();
        if world.plan.calm_restart {
            return End::Died;
        }
    }
    chaos.await.unwrap();
    let node = nodes.any(world).await;
    rest::settle(world, &node.raw, &node.control).await;
    keeping.abort();
    End::Rested
}

fn engine_settings() -> EngineSettings {
    let address = Ipv4Addr::LOCALHOST;
    let advertise = Host::parse(&address.to_string()).unwrap();
    let (name, url, labels) = ("default".parse().unwrap(), "simulated".to_owned(), EngineLabels::new());
    EngineSettings { name, url, advertise, publish_at: address.into(), ports: chaos::PORTS, labels, weight: 1 }
}

/// Time as the runtime has it.
struct Clockwork {
    start: Instant,
    wall_ms: u64,
}

impl Clock for Clockwork {
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> WallTime {
        WallTime(i64::try_from(self.wall_ms).unwrap()).plus_ms(u64::try_from(self.elapsed().as_millis()).unwrap())
    }
}

/// Seals nothing, since nonces are random and ciphers slow; but opens only what belongs to a place.
struct Open;

impl Sealer for Open {
    fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok([place.as_bytes(), b"\0", plain].concat())
    }

    fn open(&self, place: &str, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, SealError> {
        let plain = sealed.strip_prefix(place.as_bytes()).and_then(|rest| rest.strip_prefix(b"\0"));
        plain.map(|plain| plain.to_vec().into()).ok_or(SealError)
    }
}
