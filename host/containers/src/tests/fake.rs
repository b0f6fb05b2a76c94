//! The fake keeps the port's promises, as the world's tests find a real engine to keep them.

use std::time::Duration;

use larder_domain::docker::Image;
use larder_domain::ports::engine::{ContainerState, Engine, EngineError};

use super::{command, container_spec, new_container, owner, plain_spec};
use crate::fake::{Call, FakeEngine};

#[tokio::test]
async fn a_container_lives_and_ends() {
    let (fake, owner, spec) = (FakeEngine::default(), owner(), plain_spec());
    let mut events = fake.events(owner.installation).await.unwrap();
    let new = || new_container("c", &owner, &spec);
    assert!(matches!(fake.create_container(new()).await, Err(EngineError::NoImage(_))));
    assert!(matches!(fake.pull(&spec.image, Duration::ZERO).await, Err(EngineError::NoImage(_))));
    fake.add_to_registry(&spec.image);
    fake.pull(&spec.image, Duration::ZERO).await.unwrap();
    assert_eq!(fake.has_image(&spec.image).await, Ok(true));
    fake.create_container(new()).await.unwrap();
    assert!(matches!(fake.create_container(new()).await, Err(EngineError::Conflict(_))));
    assert!(matches!(fake.start("c").await, Err(EngineError::NetworkGone(_))), "its network is missing");
    fake.ensure_network(owner.installation, "larder-net").await.unwrap();
    fake.start("c").await.unwrap();
    fake.start("c").await.unwrap();
    let wall = Duration::ZERO;
    assert_eq!(fake.exec("c", command(&["x"], wall)).await.unwrap().code, 0);
    fake.exit("c", 137, true, "one\ntwo\nthree");
    assert_eq!(fake.state("c").await, Ok(Some(ContainerState::Exited { code: 137, out_of_memory: true })));
    assert_eq!(fake.last_words("c", 2, 7).await.unwrap(), "o\nthree");
    assert!(matches!(fake.exec("c", command(&["x"], wall)).await, Err(EngineError::Conflict(_))));
    fake.start("c").await.unwrap();
    for name in ["c", "c", "nothing"] {
        fake.stop_container(name, wall).await.unwrap();
    }
    assert!(matches!(fake.state("c").await, Ok(Some(ContainerState::Exited { .. }))));
    fake.remove_container("c", wall).await.unwrap();
    fake.remove_container("c", wall).await.unwrap();
    assert_eq!(fake.state("c").await, Ok(None));
    for action in ["create", "start", "oom", "die", "start", "die", "destroy"] {
        assert_eq!(events.next().await.unwrap().action, action);
    }
    assert_eq!((fake.count(Call::CreateContainer), fake.calls()[0].0), (3, Call::Events));
    fake.break_events(&EngineError::Missing);
    assert_eq!(events.next().await, Err(EngineError::Missing));
}

#[tokio::test]
async fn what_was_scripted_happens() {
    let (fake, owner) = (FakeEngine::default(), owner());
    let text = r#"{"name":"db","image":"redis:7","memory_bytes":16777216,
        "mounts":[{"volume":"data","path":"/data"}],"ports":[80]}"#;
    let spec = container_spec(text);
    let image: &Image = &spec.image;
    fake.add_image(image);
    fake.ensure_network(owner.installation, "larder-net").await.unwrap();
    fake.fail(Call::Start, 2, &EngineError::Unreachable("gone".into()));
    let address = "127.0.0.1:20000".parse().unwrap();
    fake.take_address(address);
    fake.exits_at_once(image, 1, "no config");
    let mut new = new_container("c", &owner, &spec);
    new.volumes.insert("data".parse().unwrap(), "v".into());
    new.published.insert(80, address);
    fake.create_container(new).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(fake.start("c").await, Err(EngineError::Unreachable(_))));
    }
    assert!(matches!(fake.start("c").await, Err(EngineError::AddressTaken(_))));
    fake.free_address(address);
    fake.start("c").await.unwrap();
    assert_eq!(fake.state("c").await, Ok(Some(ContainerState::Exited { code: 1, out_of_memory: false })));
    assert_eq!(fake.last_words("c", 9, 99).await.unwrap(), "no config");
    assert!(matches!(fake.remove_volume("v").await, Err(EngineError::Conflict(_))));
    let found = fake.objects(owner.installation, Some(owner.addon)).await.unwrap();
    assert_eq!((found.len(), &found[0].owner, found[1].owner.name.as_str()), (2, &owner, "data"));
    fake.destroy("c");
    fake.remove_volume("v").await.unwrap();
    assert!(fake.containers().is_empty() && fake.volumes().is_empty());
    assert_eq!((fake.networks(), fake.container("c").is_none()), (vec!["larder-net".to_owned()], true));
}
