//! Rest: nothing goes wrong any more, so everything has to come to its end within its time, and then to be in order: what addons are,
//! what apps see, what engines and providers have. In the end everything is deleted, and nothing may be left.

mod order;

use std::time::Duration;

use larder_control::Control;
use larder_domain::ports::store::NodeStore as _;
use larder_domain::{AddonState, Cleanup, Role};
use larder_store::SqlStore;
use tokio::time::sleep;

use crate::invariants::{all, everything};
use crate::users::{APPS, PROVIDERS, provide};
use crate::world::World;

/// How long everything may take from then on, in milliseconds: the deadline of a plan, of the server that its addons are parts of, and
/// of the variables, with their margins; and then the longest pauses of those who try again.
const REST_WITHIN_MS: u64 = 45 * 60 * 1_000;
/// How often it is looked whether that is so.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Within which everything that an engine has is looked at.
const SWEEP: Duration = Duration::from_secs(70);

/// Waits until everything is at rest, and looks whether it is in order; twice, the second time when everything was deleted.
pub(crate) async fn settle(world: &World, raw: &SqlStore, control: &Control) {
    for app in APPS {
        control.create_app(&app.parse().unwrap()).await.unwrap();
    }
    for (provider, _) in PROVIDERS {
        // A check of a version may still come to its end meanwhile.
        while !matches!(provide(control, provider).await, Ok(true)) {
            sleep(Duration::from_secs(1)).await;
        }
    }
    wait(world, raw, control, "settles_within_deadline").await;
    for record in all(raw).await {
        *world.state().tally.ends.entry(record.addon.state.to_string()).or_default() += 1;
        world.state().tally.addons += 1;
    }
    order::check(world, raw).await;
    // Users first, since they keep their servers.
    for role in [Role::User, Role::Server] {
        for record in all(raw).await.into_iter().filter(|record| record.spec.role == role) {
            if !record.addon.state.is_terminal() || record.addon.kept().is_some() {
                let deleted = control.delete_addon_now(record.spec.id, true).await;
                world.holds("what_is_unused_can_be_deleted", deleted.is_ok(), || format!("{:?}", deleted.err()));
            }
        }
    }
    wait(world, raw, control, "is_cleaned_up_within_deadline").await;
    order::check(world, raw).await;
    order::nothing_is_left(world).await;
}

/// Until nothing is under way, and engines have been looked at since.
async fn wait(world: &World, raw: &SqlStore, control: &Control, within_deadline: &'static str) {
    let until = world.now_ms() + REST_WITHIN_MS;
    loop {
        let why = unrest(raw).await.or(order::unmade(world, raw).await);
        if why.is_none() {
            sleep(SWEEP).await;
            if unrest(raw).await.is_none() && order::unmade(world, raw).await.is_none() {
                break;
            }
        }
        if world.now_ms() > until {
            return world
                .holds(within_deadline, false, || why.unwrap_or_else(|| "it begins again and again".to_owned()));
        }
        again(raw, control).await;
        sleep(LOOK_EVERY).await;
    }
    world.holds(within_deadline, true, String::new);
    let nodes = raw.nodes().await.unwrap();
    world.holds("leases_are_given_back", nodes.iter().all(|node| node.leases == 0), || format!("{nodes:?}"));
    everything(world, raw).await;
}

/// A cleanup that fails is tried daily; whoever has mended what was in the way asks for it.
async fn again(raw: &SqlStore, control: &Control) {
    for record in all(raw).await {
        if matches!(record.addon.cleanup, Cleanup::Failing { .. }) {
            let _asked = control.delete_addon(record.spec.id, true).await;
        }
    }
}

/// Something that is still under way.
async fn unrest(raw: &SqlStore) -> Option<String> {
    let all = all(raw).await;
    all.iter().enumerate().find_map(|(at, record)| {
        let addon = &record.addon;
        let is_at_rest = match addon.state {
            AddonState::Ready => addon.running().is_none() && addon.outdated.is_none(),
            AddonState::Deprovisioned | AddonState::Error => !addon.cleanup.is_due(),
            AddonState::WaitingForProvision | AddonState::Provisioned => false,
        };
        (!is_at_rest).then(|| format!("the {}. addon by creation: {addon:?}", at + 1))
    })
}
