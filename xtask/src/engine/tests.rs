//! Tests of what is decided before an engine is started.

use std::fs;

use super::bridge::free_network;
use super::images::{IMAGES, Recipe};
use crate::workspace::Workspace;

const HEADER: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";

#[test]
fn a_network_that_somebody_has_a_route_to_is_left_alone() {
    assert_eq!(free_network(HEADER), Some(201));
    let default = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
    let elsewhere = "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    assert_eq!(free_network(&format!("{HEADER}{default}{elsewhere}")), Some(201));
    // 10.201.0.0/24 lies in it, and 10.202.0.0/16 in 10.202.0.0/15.
    let inside = "larder-e0\t0000C90A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    let around = "tun0\t0000CA0A\t00000000\t0001\t0\t0\t0\t0000FEFF\t0\t0\t0\n";
    assert_eq!(free_network(&format!("{HEADER}{inside}")), Some(202));
    assert_eq!(free_network(&format!("{HEADER}{inside}{around}")), Some(204));
    let all = "tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n";
    assert_eq!(free_network(&format!("{HEADER}{all}")), None);
}

#[test]
fn a_recipe_changes_with_each_file_and_not_with_the_folder() {
    let scratch = Workspace::find().unwrap().scratch().unwrap().join("recipes");
    let write = |folder: &str, file: &str, text: &str| {
        let file = scratch.join(folder).join("images").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        Recipe::read(&scratch.join(folder).join("images"))
    };
    write("a", "root.sh", "x").unwrap();
    write("b", "root.sh", "x").unwrap();
    let first = write("a", "redis/entrypoint", "one").unwrap();
    assert_eq!(first, write("b", "redis/entrypoint", "one").unwrap());
    assert_ne!(first, write("b", "redis/entrypoint", "two").unwrap());
    assert_ne!(first, write("a", "root.sh", "y").unwrap());
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn each_image_has_an_entrypoint_and_settings() {
    let folder = Workspace::find().unwrap().root.join("tests/images");
    let settings = fs::read_to_string(folder.join("Dockerfile")).unwrap();
    for name in IMAGES {
        assert!(folder.join(name).join("entrypoint").is_file(), "{name}");
        assert!(settings.contains(&format!("FROM base AS {name}\n")), "{name}");
    }
}
