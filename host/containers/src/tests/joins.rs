//! Networks of apps: who may be in them, and what is asked of the engine for that.

use std::sync::Mutex;

use larder_domain::NetworkName;
use larder_domain::ports::engine::{Engine, EngineError};
use serde_json::{Value, json};

use super::patient;
use super::server::{Answer, Server};

const KNOWN_AS: &str = "db.01a2.larder";

fn shop() -> NetworkName {
    "shop".parse().unwrap()
}

/// An engine with a network of this name and labels, and a container that is in these networks.
fn engine(name: &str, labels: Value, networks: Value) -> Server {
    engine_with(json!({ "Id": "n1", "Name": name, "Driver": "bridge", "Labels": labels }), networks)
}

fn engine_with(network: Value, networks: Value) -> Server {
    engine_where(network, networks, (200, json!(null)))
}

/// An engine with a container that runs, which answers so to whoever connects or disconnects it.
fn engine_where(network: Value, networks: Value, (status, answer): (u16, Value)) -> Server {
    let networks = Mutex::new(networks);
    Server::start(move |asked| match asked.what.as_str() {
        "GET /version" => None,
        "GET /v1.41/networks/shop" => Some(Answer::Json(200, network.clone())),
        "GET /v1.41/containers/c/json" => {
            let networks = networks.lock().unwrap().clone();
            let state = json!({ "Running": status != 200 });
            Some(Answer::Json(200, json!({ "Id": "c1", "State": state, "NetworkSettings": { "Networks": networks } })))
        }
        "POST /v1.41/networks/n1/connect" | "POST /v1.41/networks/shop/disconnect" => {
            Some(Answer::Json(status, answer.clone()))
        }
        _ => Some(Answer::Json(404, json!({ "message": "no such thing" }))),
    })
}

fn changes(server: &Server) -> Vec<(String, Value)> {
    let asked = server.asked().into_iter().filter(|asked| asked.what.starts_with("POST"));
    asked.map(|asked| (asked.what, asked.body)).collect()
}

#[tokio::test]
async fn a_container_joins_under_its_name_and_once() {
    let server = engine("shop", json!({}), json!({ "larder-x": {} }));
    server.engine(patient()).join_network("c", &shop(), KNOWN_AS).await.unwrap();
    let expected = json!({ "Container": "c", "EndpointConfig": { "Aliases": [KNOWN_AS] } });
    assert_eq!(changes(&server), [("POST /v1.41/networks/n1/connect".to_owned(), expected)]);
    let server = engine("shop", json!({}), json!({ "larder-x": {}, "shop": { "Aliases": ["by-hand"] } }));
    let joined = server.engine(patient()).join_network("c", &shop(), KNOWN_AS).await;
    assert!(joined.unwrap_err().to_string().contains("docker network disconnect shop c"));
    let server = engine("shop", json!({}), json!({ "shop": { "Aliases": [KNOWN_AS, "0123456789ab"] } }));
    server.engine(patient()).join_network("c", &shop(), KNOWN_AS).await.unwrap();
    assert_eq!(changes(&server), []);
}

#[tokio::test]
async fn a_container_leaves_what_it_joined_and_nothing_else() {
    for (aliases, leaves) in
        [(json!([KNOWN_AS, "0123456789ab"]), true), (json!(["by-hand"]), false), (json!(null), false)]
    {
        let server = engine("shop", json!({}), json!({ "shop": { "Aliases": aliases } }));
        server.engine(patient()).leave_network("c", "shop", KNOWN_AS).await.unwrap();
        let expected = ("POST /v1.41/networks/shop/disconnect".to_owned(), json!({ "Container": "c", "Force": true }));
        assert_eq!(changes(&server), if leaves { vec![expected] } else { vec![] }, "{aliases}");
    }
    let server = engine("shop", json!({}), json!({}));
    server.engine(patient()).leave_network("c", "shop", KNOWN_AS).await.unwrap();
    assert_eq!(changes(&server), []);
}

#[tokio::test]
async fn a_container_is_not_where_there_is_no_room_for_it() {
    let ghost = || json!({ "shop": { "Aliases": [KNOWN_AS], "EndpointID": "" } });
    let answers = |message: &str| {
        let network = json!({ "Id": "n1", "Name": "shop" });
        engine_where(network, ghost(), (500, json!({ "message": message })))
    };
    let server = answers("no available IPv4 addresses on this network's address pools: shop (n1)");
    let joined = server.engine(patient()).join_network("c", &shop(), KNOWN_AS).await;
    assert_eq!(joined, Err(EngineError::NetworkFull("shop has no address left".into())));
    let server = answers("container c1 is not connected to network shop");
    server.engine(patient()).leave_network("c", "shop", KNOWN_AS).await.unwrap();
    let server = answers("out of order");
    assert!(matches!(server.engine(patient()).join_network("c", &shop(), KNOWN_AS).await, Err(EngineError::Failed(_))));
}

#[tokio::test]
async fn only_networks_for_apps_are_joined() {
    let fit = async |server: &Server, name: &str| server.engine(patient()).has_network(&name.parse().unwrap()).await;
    let server = engine("shop", json!({ "made": "by hand" }), json!({}));
    assert_eq!(fit(&server, "shop").await, Ok(true));
    assert_eq!(fit(&server, "other").await, Ok(false));
    for name in ["host", "bridge", "none", "default"] {
        assert!(matches!(fit(&server, name).await, Err(EngineError::Refused(_))), "{name}");
    }
    let own = engine("shop", json!({ "larder.installation": "another" }), json!({}));
    assert!(matches!(fit(&own, "shop").await, Err(EngineError::Refused(_))));
    let joined = own.engine(patient()).join_network("c", &shop(), KNOWN_AS).await;
    assert!(matches!(joined, Err(EngineError::Refused(_))), "{joined:?}");
    assert_eq!(changes(&own), []);
    for (key, is, fits) in [
        ("Ingress", json!({ "Ingress": true }), false),
        ("ConfigOnly", json!({ "ConfigOnly": true }), false),
        ("Scope", json!({ "Scope": "swarm" }), false),
        ("Attachable", json!({ "Scope": "swarm", "Attachable": true }), true),
    ] {
        let mut network = json!({ "Id": "n1", "Name": "shop" });
        network.as_object_mut().unwrap().extend(is.as_object().unwrap().clone());
        let fit = fit(&engine_with(network, json!({})), "shop").await;
        assert_eq!(fit.is_ok(), fits, "{key}: {fit:?}");
    }
    // Engines also find a network by the beginning of its id.
    let other = engine("shopping", json!({}), json!({}));
    assert_eq!(fit(&other, "shop").await, Ok(false));
    let joined = other.engine(patient()).join_network("c", &shop(), KNOWN_AS).await;
    assert_eq!(joined, Err(EngineError::NoNetwork(shop())));
}
