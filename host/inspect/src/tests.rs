//! The rules about names.

use super::offered::{Offer, is_compatible, offer};
use super::*;

#[test]
fn versions_follow_the_rules_by_which_the_engine_links() {
    for (found, expected, compatible) in [
        ("a:b/c@0.2.6", "a:b/c@0.2.12", true),
        ("a:b/c@0.2.99", "a:b/c@0.2.12", true),
        ("a:b/c@0.3.0", "a:b/c@0.2.12", false),
        ("a:b/c@1.2.3", "a:b/c@1.9.0", true),
        ("a:b/c@2.0.0", "a:b/c@1.9.0", false),
        ("a:b/c@0.0.1", "a:b/c@0.0.2", false),
        ("a:b/c@0.2.0-rc.1", "a:b/c@0.2.0", false),
        ("a:b/c", "a:b/c@0.2.0", false),
        ("a:b/d@0.2.0", "a:b/c@0.2.0", false),
        ("a:b/c@", "a:b/c@0.2.0", false),
        ("a:b/c@0", "a:b/c@0.2.0", false),
    ] {
        assert_eq!(is_compatible(found, expected), compatible, "{found} for {expected}");
    }
}

#[test]
fn unknown_names_are_answered_with_near_ones() {
    assert_eq!(offer("wasi:io/streams@0.2.0"), Offer::Same);
    assert_eq!(offer("wasi:http/types@0.3.0"), Offer::OtherVersion("wasi:http/types@0.2.12".to_owned()));
    assert_eq!(offer("larder:host/adon@0.1.0"), Offer::Nothing { near: vec!["larder:host/addon@0.1.0".to_owned()] });
    assert_eq!(offer("wasi:keyvalue/store@0.2.0"), Offer::Nothing { near: vec![] });
    assert_eq!(offer(&"x".repeat(1_000_000)), Offer::Nothing { near: vec![] });
}

#[test]
fn a_strangers_names_are_cut_and_escaped() {
    assert_eq!(quoted("a\u{1b}[31m\n"), r"a\u{1b}[31m\n");
    assert_eq!(quoted(&"ä".repeat(1000)).chars().count(), 101);
    assert_eq!(listed(&["a", "b", "c", "d", "e", "f", "g", "h"].map(str::to_owned)), "a, b, c, d, e, f and 2 more");
}
