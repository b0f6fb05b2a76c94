//! What a kind of database and an operator's options become.

use larder_sdk::docker::Container;
use larder_sdk::{Config, Service};

use super::*;
use crate::Image;
use crate::database::Server;

pub(in crate::database) struct Tables;

impl Database for Tables {
    const KIND: &'static Kind = &Kind {
        version: "1.2.3",
        about: "Tables",
        server: "Table",
        image: Image { usual: "tables:1", of: "Tables" },
        release_numbers: 1,
        sizes: &[
            Size { name: "small", memory_mib: 64, kept_mib: 16, connections: 10 },
            Size { name: "large", memory_mib: 512, kept_mib: 64, connections: 20 },
        ],
        own_pids: 7,
        data: "/data",
        protocol: "tables",
        port: 1234,
        tls: Tls::Require,
        admin: "root",
        admin_database: Some("main"),
        rights: "A user who may do all",
    };

    fn service() -> Service {
        Service::new("tables", "Tables in memory")
    }

    fn container(container: Container, _: &Size, _: Role, _: &str) -> Container {
        container
    }

    fn administer(_: &Server) -> Result<(), Failure> {
        Ok(())
    }

    fn check_image(image: &str) -> Result<(), String> {
        if image == "chairs:1" { Err("these are no tables".to_owned()) } else { Ok(()) }
    }

    fn make(_: &Addon, _: &Server, _: bool) -> Result<(), Failure> {
        Ok(())
    }

    fn config(_: &Addon, _: &Server) -> Result<Config, Failure> {
        Ok(Config::new())
    }

    fn check(_: &Addon, _: &Server) -> Result<(), Failure> {
        Ok(())
    }

    fn shut(_: &Addon, _: &Server, _: u32) -> Result<(), Failure> {
        Ok(())
    }

    fn end(_: &Addon, _: &Server, _: u32) -> Result<(), Failure> {
        Ok(())
    }

    fn remove(_: &Addon, _: &Server) -> Result<(), Failure> {
        Ok(())
    }
}

fn made(options: &Value) -> Value {
    let manifest = manifest::<Tables>(&Options::parse(&options.to_string()).unwrap()).unwrap();
    serde_json::from_str(&manifest.to_json()).unwrap()
}

fn requested(manifest: &Value) -> Vec<&str> {
    manifest["requests"].as_array().unwrap().iter().map(|request| request["value"].as_str().unwrap()).collect()
}

#[test]
fn containers_are_asked_for_with_room_for_a_common_server() {
    let manifest = made(&json!({ "image": "mine:2" }));
    // The administrator's connections, and those of four apps, each with two of ours.
    let pids = 7 + 5 + 4 * (20 + 2);
    let container = format!("mine:2 containers=1 memory=512MiB cpus=1 pids={pids}");
    assert_eq!(requested(&manifest), [container.as_str(), "volumes=1"]);
    let plan = &manifest["services"][0]["plans"][0];
    assert_eq!(plan["description"], "64 MiB of memory, 1 CPU, 10 connections");
    assert_eq!(manifest["options"]["properties"]["external"]["properties"]["database"]["default"], "main");
}

#[test]
fn a_server_that_is_there_takes_their_place() {
    let mut external = json!({ "hostname": "db.internal", "username": "u", "password": "p" });
    // Its clients run in containers while data are exported or imported, if that is granted.
    let client = "tables:1 memory=256MiB pids=16";
    assert_eq!(requested(&made(&json!({ "external": external }))), ["tcp://db.internal:1234", client]);
    external["port"] = json!(5);
    external["network"] = json!("10.0.0.0/8");
    let manifest = made(&json!({ "external": external }));
    assert_eq!(requested(&manifest), ["tcp://db.internal:5", "tcp://10.0.0.0/8:5", client]);
    assert_eq!(manifest["services"][0]["plans"][1]["description"], "20 connections");
}

#[test]
fn images_of_other_releases_are_asked_for_too_and_those_that_do_not_do_are_refused() {
    let asked = made(&json!({ "image": "tables:2", "earlier_images": ["tables:1", "tables:0"] }));
    let images: Vec<_> = requested(&asked).iter().map(|request| request.split(' ').next().unwrap()).collect();
    assert_eq!(images, ["tables:2", "tables:1", "tables:0", "volumes=1"]);
    for options in [json!({ "image": "chairs:1" }), json!({ "earlier_images": ["chairs:1"] })] {
        let refused = manifest::<Tables>(&Options::parse(&options.to_string()).unwrap());
        assert_eq!(refused.err().as_deref(), Some("these are no tables"));
    }
}

#[test]
fn where_no_server_runs_from_it_any_image_with_the_clients_does() {
    let external = json!({ "hostname": "db.internal", "username": "u", "password": "p" });
    let asked = made(&json!({ "image": "chairs:1", "external": external }));
    assert_eq!(requested(&asked), ["tcp://db.internal:1234", "chairs:1 memory=256MiB pids=16"]);
    let options = json!({ "earlier_images": ["chairs:1"], "external": external });
    let refused = manifest::<Tables>(&Options::parse(&options.to_string()).unwrap());
    assert_eq!(refused.err().as_deref(), Some("these are no tables"));
}

#[test]
fn an_app_that_has_all_its_connections_leaves_room_for_ours() {
    let size = &Tables::KIND.sizes[0];
    assert_eq!((size.connections, size.connections_of_user()), (10, 12));
    assert_eq!((size.connections_of(Role::User), size.connections_of(Role::Server)), (5 + 12, 5 + 4 * 12));
}

#[test]
fn connections_are_secured_as_the_kind_wants_it_but_for_those_within_the_machine() {
    let tls = |hostname: &str, tls: Value| {
        let external = json!({ "hostname": hostname, "username": "u", "password": "p", "tls": tls });
        serde_json::from_value::<External>(external).unwrap().tls(Tables::KIND)
    };
    for here in ["127.0.0.1", "localhost", "[::1]"] {
        assert_eq!(tls(here, Value::Null), Tls::Prefer);
    }
    assert_eq!(tls("db.internal", Value::Null), Tls::Require);
    assert_eq!(tls("db.internal", json!("off")), Tls::Off);
}
