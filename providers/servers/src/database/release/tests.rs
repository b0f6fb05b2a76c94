//! Which images an addon moves between by itself.

use super::super::offer::tests::Tables;
use super::*;

/// The image of an addon after an update under options that name another one.
fn after(kept: &str, set: &str) -> String {
    chosen(Tables::KIND, Some(kept.to_owned()), set.to_owned())
}

#[test]
fn a_new_addon_has_the_image_that_is_set() {
    assert_eq!(chosen(Tables::KIND, None, "tables:9".to_owned()), "tables:9");
}

#[test]
fn an_addon_moves_within_its_release_only() {
    for (kept, set) in [
        ("tables:16.3", "tables:16.4"),
        ("tables:16", "tables:16.4"),
        ("tables:16.4-slim", "tables:16.3-slim"),
        ("here:5000/tables:16", "here:5000/tables:16.1@sha256:00"),
    ] {
        assert_eq!(after(kept, set), set);
    }
    for (kept, set) in [
        ("tables:16", "tables:17"),
        ("tables:17", "tables:16"),
        ("tables:16", "tables:16-slim"),
        ("tables:16", "mine:16"),
        ("tables:latest", "tables:16"),
        ("tables:16", "tables:latest"),
        ("tables:latest", "tables:newest"),
        ("here:5000/tables", "here:5000/tables:16"),
    ] {
        assert_eq!(after(kept, set), kept);
    }
}

#[test]
fn new_addons_are_made_from_images_that_stay_with_their_release() {
    let two = Kind { release_numbers: 2, ..*Tables::KIND };
    for (kind, images) in [
        (Tables::KIND, &["tables:16", "tables:16.4-slim", "here:5000/tables:16", "tables@sha256:00"][..]),
        (&two, &["tables:10.11", "tables:10.11.6-slim", "tables:11@sha256:00"]),
    ] {
        for image in images {
            assert_eq!(check_release(image, kind), Ok(()));
        }
    }
    for (kind, images) in [
        (Tables::KIND, &["tables", "tables:latest", "here:5000/tables", "tables:slim"][..]),
        (&two, &["tables:11", "tables:lts", "tables:11-slim", "tables:11."]),
    ] {
        for image in images {
            let refused = check_release(image, kind).unwrap_err();
            assert!(refused.starts_with(&format!("{image} can't be run")) && refused.contains("digest"), "{refused}");
        }
    }
}

#[test]
fn what_was_made_from_another_one_can_go_on() {
    let images = |options: serde_json::Value, is_external| {
        images::<Tables>(&Options::parse(&options.to_string()).unwrap(), is_external)
    };
    assert!(images(larder_sdk::json!({ "image": "tables:latest" }), false).is_err());
    assert!(images(larder_sdk::json!({ "image": "tables:latest" }), true).is_ok());
    assert!(images(larder_sdk::json!({ "image": "tables:2", "earlier_images": ["tables:latest"] }), false).is_ok());
}
