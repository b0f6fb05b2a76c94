//! Lists of addons.

use larder_domain::ports::store::AddonFilter;
use larder_domain::{AddonId, AddonState};

use crate::world::{Build, World, config, new_addon, provider};

pub(crate) fn everything() -> AddonFilter {
    AddonFilter { states: AddonState::ALL.to_vec(), count_max: 1_000, ..AddonFilter::default() }
}

pub(crate) async fn filters_select_and_pages_follow_each_other(world: World) {
    let (shop, blog) = (world.app("shop").await, world.app("blog").await);
    let ready = world.ready(new_addon(&world, Some(&shop)).by("redis"), config(&[])).await;
    let dead = world.create(new_addon(&world, Some(&shop)).named("dead")).await;
    world.delete(dead).await;
    let waiting = world.create(new_addon(&world, Some(&shop)).named("waiting")).await;
    let others = world.create(new_addon(&world, Some(&blog)).by("redis")).await;
    let alone = world.create(new_addon(&world, None)).await;

    let ids = async |filter: AddonFilter| -> Vec<AddonId> {
        world.store.addons(filter).await.unwrap().iter().map(|record| record.spec.id).collect()
    };
    let live = || AddonFilter { count_max: 10, ..AddonFilter::default() };
    assert_eq!(ids(live()).await, [ready, waiting, others, alone], "all that live, in order of creation");
    assert_eq!(ids(everything()).await, [ready, dead, waiting, others, alone]);
    let of_shop = || AddonFilter { app: Some(shop.clone()), ..live() };
    assert_eq!(ids(of_shop()).await, [ready, waiting]);
    assert_eq!(ids(AddonFilter { states: vec![AddonState::Deprovisioned], ..of_shop() }).await, [dead]);
    assert_eq!(ids(AddonFilter { provider: Some(provider("redis")), ..live() }).await, [ready, others]);
    assert_eq!(ids(AddonFilter { provider: Some(provider("redis")), ..of_shop() }).await, [ready]);
    assert_eq!(ids(AddonFilter { states: vec![AddonState::Ready], ..live() }).await, [ready]);
    assert_eq!(ids(AddonFilter { app: Some("none".parse().unwrap()), ..live() }).await, []);

    assert_eq!(ids(AddonFilter { count_max: 2, ..live() }).await, [ready, waiting]);
    assert_eq!(ids(AddonFilter { count_max: 2, after: Some(waiting), ..live() }).await, [others, alone]);
    assert_eq!(ids(AddonFilter { after: Some(ready), ..of_shop() }).await, [waiting]);
    assert_eq!(ids(AddonFilter { after: Some(alone), ..live() }).await, []);
}
