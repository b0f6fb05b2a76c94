//! What is said of an app, where it matters to those who go on at once.

use super::*;

#[test]
fn who_changes_an_apps_network_is_told_to_wait_until_its_variables_tell_so() {
    for (said, begins) in [
        (in_network("shop", Some("front")), "`shop` is in the network `front`;"),
        (in_network("shop", None), "`shop` is in no network;"),
    ] {
        assert!(said.starts_with(begins) && said.contains("in a moment"), "{said}");
        assert!(said.ends_with("wait with `larder addon wait shop/ADDON`"), "{said}");
    }
}
