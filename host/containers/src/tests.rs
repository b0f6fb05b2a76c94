//! The engine against a scripted server of a few lines, for what engines may say, and against a real one, for what they do say.

mod bad;
mod fake;
mod joins;
mod logins;
mod requests;
mod server;
mod streams;
mod tls;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use larder_domain::docker::ContainerSpec;
use larder_domain::ids::{AddonId, InstallationId};
use larder_domain::ports::engine::{Exec, NewContainer, Owner};

use crate::bounds::Bounds;

/// For tests in which nothing runs out of time.
fn patient() -> Bounds {
    bounded(Duration::from_secs(30))
}

fn bounded(time: Duration) -> Bounds {
    Bounds { look: time, change: time, silence: time, ..Bounds::default() }
}

fn owner() -> Owner {
    let (installation, addon) = (InstallationId::generate(), AddonId::generate());
    Owner { installation, addon, name: "db".parse().unwrap(), revision: 3 }
}

fn container_spec(text: &str) -> ContainerSpec {
    serde_json::from_str(text).unwrap()
}

fn plain_spec() -> ContainerSpec {
    container_spec(r#"{"name":"db","image":"redis:7","memory_bytes":16777216}"#)
}

fn new_container<'a>(full_name: &str, owner: &Owner, spec: &'a ContainerSpec) -> NewContainer<'a> {
    NewContainer {
        full_name: full_name.into(),
        owner: owner.clone(),
        labels: BTreeMap::new(),
        spec,
        volumes: BTreeMap::new(),
        published: BTreeMap::new(),
        network: "larder-net".into(),
        stream: None,
    }
}

fn command(words: &[&str], wall: Duration) -> Exec {
    Exec {
        command: words.iter().map(|word| larder_domain::SecretString::new(*word)).collect(),
        env: BTreeMap::new(),
        user: None,
        stdin: vec![].into(),
        output_bytes_max: 1000,
        wall,
    }
}
