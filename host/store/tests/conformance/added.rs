//! Engines that are added while servers run.

use larder_domain::engines::{Candidate, ENGINES_MAX, EngineLabels, Placement};
use larder_domain::ports::store::{
    AddRefusal, AddedEngine, EngineShared, Inhabited, NewAddon, NewEngine, ReachedEngine,
};
use larder_domain::{AddonId, EngineName};
use serde_json::json;

use crate::world::{World, new_addon};

pub(crate) fn engine(name: &str, url: &str, weight: u32) -> NewEngine {
    let definition = json!({ "url": url, "weight": weight, "tls": { "key": "swordfish" } }).into();
    NewEngine { name: name.parse().unwrap(), url: url.to_owned(), definition, is_inhabited: false }
}

pub(crate) fn reached(name: &str, url: &str, is_added: bool) -> ReachedEngine {
    let (name, url, advertise) = (name.parse().unwrap(), url.to_owned(), "10.0.0.1".to_owned());
    ReachedEngine { name, url, advertise, labels: EngineLabels::new(), weight: 1, is_added }
}

async fn add(world: &World, name: &str, url: &str) -> Result<bool, AddRefusal> {
    world.store.add_engine(engine(name, url, 1)).await.unwrap()
}

async fn added(world: &World) -> Vec<(String, String, bool)> {
    let of = |engine: AddedEngine| (engine.name.to_string(), engine.url, engine.is_own);
    world.store.added_engines().await.unwrap().1.into_iter().map(of).collect()
}

pub(crate) async fn an_engine_that_is_added_is_there_after_a_restart(world: World) {
    assert_eq!(world.store.added_engines().await.unwrap(), (0, vec![]));
    assert_eq!(add(&world, "rack", "tcp://10.0.0.1:2376").await, Ok(true));
    assert_eq!(add(&world, "own", "unix:///run/docker.sock").await, Ok(true));
    let first = world.store.engines_revision().await.unwrap();
    // The same, or something else about the same: it is no second one.
    let heavier = world.store.add_engine(engine("rack", "tcp://10.0.0.1:2376", 2)).await.unwrap();
    assert_eq!(heavier, Ok(false));
    assert_ne!(world.store.engines_revision().await.unwrap(), first);
    let before = world.store.added_engines().await.unwrap();
    assert_eq!(before.1[1].definition.as_ref().unwrap().reveal()["weight"], 2);
    assert_eq!((&before.1[1].node, before.1[0].node.is_some()), (&None, true));
    assert!(!format!("{:?}", before.1).contains("swordfish"));

    let world = world.restart();
    assert_eq!(world.store.added_engines().await.unwrap(), before);
    let there = |name: &str, url: &str| (name.to_owned(), url.to_owned(), true);
    let all = [there("own", "unix:///run/docker.sock"), there("rack", "tcp://10.0.0.1:2376")];
    assert_eq!(added(&world).await, all);
    let log = world.store.audit(None, None, 10).await.unwrap();
    let noted: Vec<_> = log.iter().map(|entry| (entry.action.as_str(), entry.data["engine"].clone())).collect();
    let engine_added = |name: &str| ("engine_added", json!(name));
    assert_eq!(noted, [engine_added("rack"), engine_added("own"), engine_added("rack")]);
    assert!(!format!("{log:?}").contains("swordfish"));
}

pub(crate) async fn a_name_is_one_engines_and_so_is_a_url(world: World) {
    let file = vec![reached("near", "unix:///run/docker.sock", false), reached("far", "tcp://10.0.0.9:2376", false)];
    world.store.announce(String::new(), file.clone()).await.unwrap().unwrap();
    for name in ["near", "far"] {
        let refused = add(&world, name, "tcp://10.0.0.1:2376").await;
        assert!(matches!(&refused, Err(AddRefusal::InFile { engine, .. }) if engine.as_str() == name), "{refused:?}");
    }
    let taken = |name: &str| Err(AddRefusal::UrlTaken(name.parse().unwrap()));
    assert_eq!(add(&world, "rack", "tcp://10.0.0.9:2376").await, taken("far"));
    assert_eq!(add(&world, "rack", "unix:///run/docker.sock").await, taken("near"));
    assert_eq!(add(&world, "rack", "tcp://10.0.0.1:2376").await, Ok(true));
    assert_eq!(add(&world, "rack-2", "tcp://10.0.0.1:2376").await, taken("rack"));
    assert_eq!(added(&world).await.len(), 1, "nothing is stored of what is refused");

    // One that was added is not one that a node may be started with.
    let with = |name: &str, is_added| [file.clone(), vec![reached(name, "tcp://10.0.0.1:2376", is_added)]].concat();
    let refused = world.store.announce(String::new(), with("rack", false)).await.unwrap();
    assert_eq!(refused, Err(EngineShared::Added("rack".parse().unwrap())));
    world.store.announce(String::new(), with("rack", true)).await.unwrap().unwrap();
    assert_eq!(add(&world, "rack", "tcp://10.0.0.1:2376").await, Ok(false));
}

fn on(world: &World, name: &str) -> NewAddon {
    let candidates = vec![Candidate { name: name.parse().unwrap(), weight: 1, is_added: true }];
    NewAddon { engine: Some(Placement { candidates, is_wished: false }), ..new_addon(world, None) }
}

pub(crate) async fn an_engine_moves_while_nobody_is_on_it(world: World) {
    assert_eq!(add(&world, "rack", "tcp://10.0.0.1:2376").await, Ok(true));
    assert_eq!(add(&world, "rack", "tcp://10.0.0.2:2376").await, Ok(false));
    let id: AddonId = world.create(on(&world, "rack")).await;
    let (name, url): (EngineName, _) = ("rack".parse().unwrap(), "tcp://10.0.0.2:2376".to_owned());
    let moved = AddRefusal::Moved { engine: name.clone(), url: url.clone(), count: 1 };
    assert_eq!(add(&world, "rack", "tcp://10.0.0.3:2376").await, Err(moved));
    assert_eq!(add(&world, "rack", &url).await, Ok(false), "it stays where it is");

    world.store.set_engine_drained(&name, true).await.unwrap();
    assert_eq!(world.store.forget_engine(&name).await.unwrap(), Err(Inhabited(1)));
    assert_eq!(added(&world).await.len(), 1);
    world.delete(id).await;
    let before = world.store.engines_revision().await.unwrap();
    assert_eq!(world.store.forget_engine(&name).await.unwrap(), Ok(0));
    assert_ne!(world.store.engines_revision().await.unwrap(), before);
    assert_eq!((added(&world).await, world.store.drained_engines().await.unwrap()), (vec![], vec![]));
    assert_eq!(world.store.audit(None, None, 1).await.unwrap()[0].action.as_str(), "engine_forgotten");
    // Who was about to put an addon there puts it nowhere.
    let late = world.create(on(&world, "rack")).await;
    assert_eq!(world.store.addon(late).await.unwrap().unwrap().engine, None);
    assert_eq!(add(&world, "rack", "tcp://10.0.0.3:2376").await, Ok(true));
}

pub(crate) async fn a_name_that_addons_are_on_is_that_machines(world: World) {
    let candidates = vec![Candidate { name: "old".parse().unwrap(), weight: 1, is_added: false }];
    let engine_of_file = Some(Placement { candidates, is_wished: false });
    world.create(NewAddon { engine: engine_of_file, ..new_addon(&world, None) }).await;
    let stranger = AddRefusal::Stranger { engine: "old".parse().unwrap(), count: 1 };
    assert_eq!(add(&world, "old", "tcp://10.0.0.1:2376").await, Err(stranger));
    let with_its_objects = NewEngine { is_inhabited: true, ..engine("old", "tcp://10.0.0.2:2376", 1) };
    assert_eq!(world.store.add_engine(with_its_objects).await.unwrap(), Ok(true));
}

pub(crate) async fn there_is_a_bounded_number_of_engines(world: World) {
    world.store.announce(String::new(), vec![reached("near", "unix:///a", false)]).await.unwrap().unwrap();
    for number in 1..ENGINES_MAX {
        assert_eq!(add(&world, &format!("e{number}"), &format!("tcp://10.0.0.{number}:2376")).await, Ok(true));
    }
    assert_eq!(add(&world, "more", "tcp://10.0.1.1:2376").await, Err(AddRefusal::TooMany));
    assert_eq!(add(&world, "e1", "tcp://10.0.1.1:2376").await, Ok(false), "it is there already");
}
