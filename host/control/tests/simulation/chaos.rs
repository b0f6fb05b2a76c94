//! What goes wrong by itself, whatever the host does just now.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use larder_domain::ports::engine::ContainerState;
use tokio::time::{advance, sleep};

use crate::engine::addon_of;
use crate::faults::Fault;
use crate::life::Nodes;
use crate::seat::Seat;
use crate::world::World;

/// The ports that the host may give to containers.
pub(crate) const PORTS: std::ops::RangeInclusive<u16> = 21_000..=21_007;

/// How often something may go wrong by itself, in milliseconds.
const EVERY_MS: u64 = 500;

/// Until nothing goes wrong any more.
pub(crate) async fn live(world: Arc<World>, nodes: Nodes) {
    while !world.is_calm() {
        sleep(Duration::from_millis(EVERY_MS)).await;
        late(&world);
        let node = nodes.any(&world).await;
        let seat = node.seat;
        // Whoever dies does so there; what goes wrong goes on.
        let _dead = seat.may_die(Fault::CrashAnytime).now_or_never();
        stops(&world, &seat);
        if world.strikes(Fault::StoreOutage) {
            let until = world.now_ms() + world.within(1_000..=40_000);
            world.state().outage_until = until;
        }
        if world.strikes(Fault::Pause) {
            let ms = world.within(1_000..=60_000);
            advance(Duration::from_millis(ms)).await;
        }
        containers(&world);
        addresses(&world);
    }
    ends(&world);
}

/// What happens to one of several nodes.
fn stops(world: &World, seat: &Seat) {
    if world.plan.nodes == 1 {
        return;
    }
    if world.strikes(Fault::NodeStops) {
        let until = world.now_ms() + world.within(1_000..=60_000);
        world.state().places[seat.node].stopped_until = until;
        world.say(None, format_args!("node {} is stopped", seat.node));
    }
    if world.strikes(Fault::NodeCutOff) {
        let until = world.now_ms() + world.within(1_000..=60_000);
        world.state().places[seat.node].cut_until = until;
        world.say(None, format_args!("node {} is cut off", seat.node));
    }
}

/// What an engine was asked to do earlier, and does now.
fn late(world: &World) {
    let now = world.now_ms();
    let due: Vec<_> = world.state().late.extract_if(.., |(due, _)| *due <= now).collect();
    for (_, work) in due {
        let done = work.run(&world.engine);
        world.say(work.addon(), format_args!("engine.{work}, late: {}", if done.is_ok() { "ok" } else { "refused" }));
    }
}

fn containers(world: &World) {
    let is_running = |name: &String| world.engine.container(name).is_some_and(|it| it.state == ContainerState::Running);
    if world.strikes(Fault::ContainerEnds)
        && let Some(name) = some(world, world.engine.containers().into_iter().filter(is_running).collect())
    {
        world.say(addon_of(&name), "its container ends");
        world.engine.exit(&name, 1, false, "goodbye");
    }
    if world.strikes(Fault::ContainerVanishes)
        && let Some(name) = some(world, world.engine.containers())
    {
        world.say(addon_of(&name), "its container vanishes");
        world.engine.destroy(&name);
    }
}

fn some(world: &World, of: Vec<String>) -> Option<String> {
    let at = world.within(0..=63);
    (!of.is_empty()).then(|| of[usize::try_from(at).unwrap() % of.len()].clone())
}

fn addresses(world: &World) {
    if world.strikes(Fault::AddressTaken) {
        let port = u16::try_from(world.within((*PORTS.start()).into()..=(*PORTS.end()).into())).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if world.within(0..=1) == 0 { world.engine.take_address(address) } else { world.engine.free_address(address) }
    }
}

/// Nothing goes wrong any more: what is under way comes to its end, and whoever took something gives it back.
pub(crate) fn ends(world: &World) {
    world.state().outage_until = 0;
    world.state().places.iter_mut().for_each(|place| (place.stopped_until, place.cut_until) = (0, 0));
    world.state().late.iter_mut().for_each(|(due, _)| *due = 0);
    late(world);
    PORTS.for_each(|port| world.engine.free_address(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
}
