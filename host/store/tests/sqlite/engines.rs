//! Engines that were added to an installation of several nodes, in a directory of one.

use larder_domain::ports::store::NewEngine;
use serde_json::json;

use crate::{beside, world_in};

#[tokio::test]
async fn sockets_of_several_machines_are_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path());
    let url = "unix:///run/docker.sock";
    let definition = json!({ "url": url, "weight": 1 }).into();
    let engine = NewEngine { name: "n".parse().unwrap(), url: url.into(), definition, is_inhabited: false };
    world.store.add_engine(engine).await.unwrap().unwrap();
    // As they come from a database that nodes shared.
    beside(dir.path()).execute("UPDATE added_engine SET node = 'north'", ()).unwrap();
    let own = |engines: Vec<_>| engines.into_iter().map(|it: larder_domain::ports::store::AddedEngine| it.is_own);
    let of_one = world.store.added_engines().await.unwrap().1;
    assert!(own(of_one).eq([true]), "the machine is the same, whatever it was called");
    let second = "INSERT INTO added_engine SELECT 's', url, 'south', definition FROM added_engine";
    beside(dir.path()).execute(second, ()).unwrap();
    let of_two = world.store.added_engines().await.unwrap().1;
    assert!(own(of_two).eq([false, false]), "one machine's socket is not another's");
}
