//! What is asked for may have secrets in it, and is not told by whoever asks.

use larder_control::PatchAddon;
use serde_json::json;

use crate::support::TestHost;

#[test]
fn a_wish_does_not_tell_its_parameters() {
    let parameters = || json!({ "password": "hunter2" }).into();
    let mut wish = TestHost::wish("honest", "one", None);
    wish.parameters = parameters();
    let patch = PatchAddon { parameters: Some(parameters()), ..PatchAddon::default() };
    let told = format!("{wish:?} {patch:?}");
    assert!(!told.contains("hunter2") && told.contains("honest"), "{told}");
}
