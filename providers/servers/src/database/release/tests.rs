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
